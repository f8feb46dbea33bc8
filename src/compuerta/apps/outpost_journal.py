"""An outpost's journal: what it noted while it was alone, on its own disk, until the platform has it.

One SQLite file of the standard library, since it must survive a power cut in the middle of a line. Numbers
are never used again, so that the platform can tell a record that it has from one that is new.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from compuerta.adapters.links import outpost_text
from compuerta.domain.errors import Unreachable
from compuerta.services.forwarding import RECORDS_MAX, Record

# Some 300 bytes each: a week of a hundred meters, read each quarter of an hour, in 20 megabytes.
KEPT_MAX: Final = 70_000
_WAIT_S: Final = 5.0
_TABLES: Final = """
create table if not exists journal (id text not null);
create table if not exists record (
    no integer primary key autoincrement, is_cut integer not null, text blob not null
);
"""


class JournalUnusable(Unreachable):
    """A journal that cannot be written, or that is none."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"the journal {path} cannot be used: {reason}")
        self.path = path
        self.reason = reason


class Journal:
    """This will keep records in order, on disk; `journal_id` is another one for each file that was begun."""

    def __init__(self, path: Path, *, kept_max: int = KEPT_MAX) -> None:
        self._path = path
        self._kept_max = kept_max
        try:
            self._file = sqlite3.connect(path, timeout=_WAIT_S)
            self._file.execute("pragma synchronous = full")
            self._file.executescript(_TABLES)
            row = self._file.execute("select id from journal").fetchone()
            if row is None:
                row = (str(uuid4()),)
                self._file.execute("insert into journal values (?)", row)
            self._file.commit()
        except sqlite3.Error as error:
            raise JournalUnusable(path, str(error)) from error
        path.chmod(0o600)
        self.journal_id = UUID(row[0])

    def note(self, records: Sequence[Record]) -> None:
        """Write records before anything else is done; where the journal is full, the oldest readings go.

        Registers are totals: of readings that are left out no energy is lost. A relay that was opened is
        never forgotten.
        """
        if not records:
            return
        texts = [
            (each.cut is not None, outpost_text.records_text(self.journal_id, [each])) for each in records
        ]
        try:
            with self._file:
                self._file.executemany("insert into record (is_cut, text) values (?, ?)", texts)
                self._file.execute(
                    "delete from record where no in (select no from record where not is_cut order by no "
                    "limit max((select count(*) from record) - ?, 0))",
                    (self._kept_max,),
                )
        except sqlite3.Error as error:
            raise JournalUnusable(self._path, str(error)) from error

    def next_records(self) -> list[Record]:
        """Return the oldest records that are kept, numbered."""
        found = self._file.execute("select no, text from record order by no limit ?", (RECORDS_MAX,))
        return [replace(_record(text), record_no=number) for number, text in found]

    def forget(self, record_no: int) -> None:
        """Let go of all up to a record: the platform has committed them."""
        with self._file:
            self._file.execute("delete from record where no <= ?", (record_no,))

    def count(self) -> int:
        """Return how many records are kept."""
        (count,) = self._file.execute("select count(*) from record").fetchone()
        return int(count)

    def shut(self) -> None:
        """Close the file."""
        self._file.close()


def _record(text: bytes) -> Record:
    _, (record,) = outpost_text.records_from(text)
    return record

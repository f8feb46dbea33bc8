"""Entries: JSON files of the data directory, such as providers.json: a list of named accounts elsewhere.

Whatever cannot be used is refused by the file, the entry and the field. A value may be a key, and is repeated
only where it is the name of a file.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from compuerta.domain.errors import Refused

ENTRIES_MAX = 1_000  # accounts of one installation
_NAME = re.compile(r"[a-z0-9_-]{1,64}", re.ASCII)


class EntryMalformed(Refused):
    """A file of accounts that cannot be used; the message names entry and field."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a file; every complaint names it and its field."""

    path: Path
    label: str
    fields: Mapping[str, object]

    @property
    def name(self) -> str:
        """What the account is called here."""
        return self.text("name")

    @property
    def kind(self) -> str:
        """What kind of account it is."""
        return self.text("kind")

    def text(self, field: str) -> str:
        """Return a field that has to be there."""
        found = self.fields.get(field)
        if not isinstance(found, str) or not found:
            raise self.malformed(field, "is missing" if found is None else "has to be a text")
        return found

    def number(self, field: str, *, least: int, most: int) -> int:
        """Return a whole number that has to be there."""
        found = self.fields.get(field)
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            raise self.malformed(field, f"write a whole number from {least} to {most}")
        return found

    def texts(self, field: str) -> list[str]:
        """Return a list of texts that has to be there, and to hold at least one."""
        found = self.fields.get(field)
        if not isinstance(found, list) or not found or not all(isinstance(each, str) for each in found):
            raise self.malformed(field, 'has to be a list such as ["..."]')
        return found

    def flag(self, field: str, *, absent: bool) -> bool:
        """Return a yes or no; `absent` where the entry does not say."""
        found = self.fields.get(field, absent)
        if not isinstance(found, bool):
            raise self.malformed(field, "has to be true or false")
        return found

    def url(self, field: str) -> str:
        """Return an address on the web."""
        found = self.text(field)
        if not found.startswith(("https://", "http://")):
            raise self.malformed(field, "has to begin with https://")
        return found

    def file(self, field: str, name: str) -> bytes:
        """Return what a file says that a field names, relative to this one."""
        try:
            return (self.path.parent / name).read_bytes()
        except (OSError, ValueError) as error:
            raise self.malformed(field, f"{name!r} cannot be read: {error}") from error

    def malformed(self, field: str, reason: str) -> EntryMalformed:
        """Return the complaint about a field."""
        return EntryMalformed(self.path, f"{self.label}: {field}: {reason}")


def entries_in(path: Path) -> list[Entry]:
    """Return the entries of a file, each of another name; without a file there are none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EntryMalformed(path, f"cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise EntryMalformed(path, f"line {error.lineno}: {error.msg}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise EntryMalformed(path, "is not JSON in UTF-8") from error
    if not isinstance(found, list) or len(found) > ENTRIES_MAX:
        raise EntryMalformed(path, f"has to be a list of at most {ENTRIES_MAX} entries")
    entries: dict[str, Entry] = {}
    for place, fields in enumerate(found, start=1):
        if not isinstance(fields, dict):
            raise EntryMalformed(path, f"entry {place} has to be an object with fields")
        entry = Entry(path=path, label=f"entry {place}", fields=fields)
        if not _NAME.fullmatch(entry.name):
            raise entry.malformed("name", "write 1 to 64 of a-z, 0-9, _ and -: it is part of an address")
        if entry.name in entries:
            raise entry.malformed("name", f"{entry.name!r} comes twice")
        entries[entry.name] = replace(entry, label=f"entry {place} ({entry.name})")
    return list(entries.values())

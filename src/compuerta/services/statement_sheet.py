"""A bill's lines as one packed sheet: small enough to be held, and copied into a database as it is.

A million lines as objects would be a gigabyte; as text they are a seventh of it. The sheet is complete before
anything looks at it, so that of a bill that turns out faulty in its last line nothing was used.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple

from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import StatementLine
from compuerta.services.statement_port import Found

LINES_PER_CHUNK: Final = 10_000
LINES_MAX: Final = 5_000_000
# A bill of another merchant, or the first of one that has sold elsewhere: no person looks through so many.
DIFFERENCES_MAX: Final = 10_000
# No number of ours and no provider's has any of these; so altered, it is found to differ, and never to agree.
_PLAIN: Final = {**dict.fromkeys(range(32), "?"), ord("\\"): "?", 127: "?"}


class SheetTooLong(Refused):
    """A bill has more lines than any day's."""

    def __init__(self) -> None:
        super().__init__(f"the bill has more than {LINES_MAX} lines")


class TooDifferent(Refused):
    """A bill and our books have too little in common for a person to look through the differences."""

    def __init__(self) -> None:
        super().__init__(f"more than {DIFFERENCES_MAX} lines differ: is it this merchant's bill?")


class SheetLine(NamedTuple):
    """One line of a sheet, as its columns are written."""

    transaction_no: str
    reference: str
    refund_reference: str  # of a refund that the bill gives none: its payment's number and its instant
    amount_minor: int
    fee_micro: int
    currency: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A bill's lines, tab by tab; each chunk ends with a line."""

    chunks: tuple[bytes, ...]
    lines: int
    digest: str  # SHA-256 of the lines, however they were packed

    def read(self) -> Iterator[SheetLine]:
        """Return the lines one by one."""
        return map(read_cells, self.cells())

    def cells(self) -> Iterator[list[str]]:
        """Return the lines one by one, as they are written."""
        for chunk in self.chunks:
            for line in chunk.decode().split("\n")[:-1]:
                yield line.split("\t")


def read_cells(cells: Sequence[str]) -> SheetLine:
    """Read a line from its cells."""
    transaction_no, reference, refund, amount, fee, currency, at = cells
    instant = datetime.fromisoformat(at)
    return SheetLine(transaction_no, reference, refund, int(amount), int(fee), currency, instant)


def written(lines: Iterable[StatementLine]) -> Sheet:
    """Write a bill's lines down; what reading them raises is raised here."""
    digest, chunks, count, rest = hashlib.sha256(), [], 0, iter(lines)
    while some := list(islice(rest, LINES_PER_CHUNK)):
        chunk = _chunk(some)
        digest.update(chunk)
        chunks.append(chunk)
        count += len(some)
        if count > LINES_MAX:
            raise SheetTooLong
    return Sheet(chunks=tuple(chunks), lines=count, digest=digest.hexdigest())


def in_order(found: Iterable[Found]) -> tuple[Found, ...]:
    """Return each difference once, in the one order that both stores give; raises `TooDifferent`."""
    once = {
        (each.what, each.transaction_no, each.refund_reference, each.theirs_minor): each for each in found
    }
    if len(once) > DIFFERENCES_MAX:
        raise TooDifferent
    return tuple(
        sorted(
            once.values(),
            key=lambda each: (
                each.what.value, each.transaction_no, each.refund_reference, each.theirs_minor or 0
            ),
        )
    )  # fmt: skip


def refund_name(line: StatementLine) -> str:
    """Return what a refund is known by; "" for a payment."""
    if line.amount_minor >= 0 or line.refund_reference:
        return line.refund_reference
    return f"{line.transaction_no}:{line.at.isoformat()}"


def _chunk(lines: Sequence[StatementLine]) -> bytes:
    """Write columns side by side: a line costs a microsecond so."""
    numbers, references, refunds, amounts, fees, currencies, instants, *_ = zip(*lines, strict=True)
    if min(amounts) < 0:
        refunds = tuple(refund_name(line) for line in lines)
    columns = [
        _plain(numbers), _plain(references), _plain(refunds), map(str, amounts), map(str, fees),
        _plain(currencies), map(datetime.isoformat, instants),
    ]  # fmt: skip
    return ("\n".join(map("\t".join, zip(*columns, strict=True))) + "\n").encode()


def _plain(texts: Sequence[str]) -> Sequence[str]:
    joined = "".join(texts)
    if joined.isprintable() and "\\" not in joined:
        return texts
    return [text.translate(_PLAIN) for text in texts]

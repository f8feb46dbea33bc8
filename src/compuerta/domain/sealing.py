"""Sealing: what the digest of a posting, of an account's day, and of a site's day are made of.

A posting's bytes are its row as PostgreSQL's binary COPY writes it, with the columns in the order below: what
lies in the database is hashed as it comes out, and nothing is left out. An account's seal goes over the
postings of its day and the account's seal before it; a site's anchor goes over all seals of the day and the
anchor before it. So each anchor stands for every posting up to its day, and one number kept elsewhere shows
whether any of them was changed since.

Beside its digest a seal keeps a witness: of each posting the id, and the begin of its hash. The digest tells
that something is wrong, the witness tells what.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from struct import Struct
from typing import Final

from compuerta.domain.ledger import Posting

DIGEST_BYTES: Final = 32
NOTHING: Final = bytes(DIGEST_BYTES)  # what a first seal, or anchor, follows
ID_BYTES: Final = 16
MARK_BYTES: Final = 8  # of a posting's hash: enough to name it, since the digest goes over all of it
WITNESS_BYTES: Final = ID_BYTES + MARK_BYTES
# The columns of a posting's row, in the order in which they are hashed.
COLUMNS: Final = (
    "account_id", "posting_id", "booked_at", "kind", "currency", "cause_id", "reverses", "codes",
    "amounts_minor",
)  # fmt: skip
# Where the fields of fixed length lie in it: behind the number of fields, and each behind its length.
ACCOUNT_AT: Final = slice(6, 14)
POSTING_AT: Final = slice(18, 34)
BOOKED_AT: Final = slice(38, 46)

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(2000, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)
_TEXT_OID, _BIGINT_OID = 25, 20
_FIELDS = Struct(">h")
_LENGTH = Struct(">i")
_BIGINT = Struct(">q")
_ARRAY = Struct(">iiiii")  # dimensions, has nulls, type, count, first index
_SEAL = Struct(">qiiq")
_ANCHOR = Struct(">qiiqqqq")
_SEALED = Struct(">q32s")
_ABSENT = _LENGTH.pack(-1)


def canonical(posting: Posting) -> bytes:
    """Return the bytes that stand for a posting: every column of its row, each behind its length."""
    fields = (
        _BIGINT.pack(posting.account_id),
        posting.posting_id.bytes,
        _BIGINT.pack(counted_us(posting.booked_at)),
        posting.kind.value.encode(),
        posting.currency.encode(),
        posting.cause_id.bytes,
        None if posting.reverses is None else posting.reverses.bytes,
        _array(_TEXT_OID, [line.code.encode() for line in posting.lines]),
        _array(_BIGINT_OID, [_BIGINT.pack(line.amount_minor) for line in posting.lines]),
    )
    return _FIELDS.pack(len(fields)) + b"".join(
        _ABSENT if field is None else _LENGTH.pack(len(field)) + field for field in fields
    )


def hash_of(posting: Posting) -> bytes:
    """Return the hash of a posting's bytes."""
    return sha256(canonical(posting)).digest()


def counted_us(at: datetime) -> int:
    """Return an instant in microseconds since 2000, as PostgreSQL counts them."""
    return (at - _EPOCH) // _MICROSECOND


def instant_of(booked: bytes) -> datetime:
    """Return the instant that lies in a row's bytes at `BOOKED_AT`."""
    return _EPOCH + timedelta(microseconds=_BIGINT.unpack(booked)[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What an account's postings were when a day of its site ended: those that no seal before had."""

    account_id: int
    seal_no: int  # the account's own, from one
    site_id: int
    day: date
    until: datetime  # the end of the day: all that was booked before it is sealed
    postings: int
    previous: bytes  # the digest of the seal before it
    digest: bytes
    witness: bytes  # of each posting, by instant of booking and id: its id, and the begin of its hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What all accounts of a site were at the end of a day."""

    site_id: int
    anchor_no: int  # the site's own, from one
    organisation_id: int
    day: date
    until: datetime
    made_at: datetime
    accounts: int  # that have a seal of the day
    postings: int  # in these
    previous: bytes
    digest: bytes


def digest_of_seal(seal: Seal, *, hashes: Iterable[bytes]) -> bytes:
    """Return what a seal's digest has to be, over the whole hashes of its postings in their order."""
    head = _SEAL.pack(seal.account_id, seal.seal_no, _days(seal.day), counted_us(seal.until))
    return sha256(seal.previous + head + b"".join(hashes)).digest()


def witness_of(hashed: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the witness of postings: each one's id and hash."""
    return b"".join(posting_id + whole[:MARK_BYTES] for posting_id, whole in hashed)


def sealed_bytes(account_id: int, digest: bytes) -> bytes:
    """Return what an anchor takes of a seal; it takes them by account."""
    return _SEALED.pack(account_id, digest)


def digest_of_anchor(anchor: Anchor, *, seals: bytes) -> bytes:
    """Return what an anchor's digest has to be, over the hash of all that it takes of its seals."""
    head = _ANCHOR.pack(
        anchor.site_id,
        anchor.anchor_no,
        _days(anchor.day),
        counted_us(anchor.until),
        counted_us(anchor.made_at),
        anchor.accounts,
        anchor.postings,
    )
    return sha256(anchor.previous + head + seals).digest()


def text_of_anchor(digest: bytes) -> str:
    """Return an anchor's digest as people keep it outside: thirty-two letters in groups of eight."""
    letters = digest[: DIGEST_BYTES // 2].hex()
    return " ".join(letters[start : start + 8] for start in range(0, len(letters), 8))


def _days(day: date) -> int:
    return (day - _EPOCH_DAY).days


def _array(oid: int, items: list[bytes]) -> bytes:
    return _ARRAY.pack(1, 0, oid, len(items), 1) + b"".join(_LENGTH.pack(len(item)) + item for item in items)

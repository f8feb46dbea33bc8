"""Verifying: the journal is recomputed from its rows, and held against its seals and anchors.

Nothing is believed that can be made again: each posting's hash is made of its bytes, each seal's digest of
those, each anchor's of the seals. What differs is named: the witness in a seal says which posting was changed
or is missing, and a posting before the last anchor that no seal names was inserted. Whoever can rewrite all
of it, seals and anchors too, is found by an anchor that was kept elsewhere.

Postings come as a stream by account, and only one account's are held at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from hashlib import sha256
from itertools import pairwise
from typing import Final, Protocol
from uuid import UUID

from compuerta.domain import sealing
from compuerta.domain.sealing import (
    ACCOUNT_AT,
    BOOKED_AT,
    ID_BYTES,
    NOTHING,
    POSTING_AT,
    WITNESS_BYTES,
    Anchor,
    Seal,
)
from compuerta.services.month_close import digest_of
from compuerta.services.period_port import MonthClose

FINDINGS_MAX: Final = 1_000  # that are named; more are counted
TOLD_EVERY: Final = 10_000  # postings
SEALING_MAX: Final = timedelta(days=1)  # for so long a seal may wait for the anchor of its day


class Wrong(Enum):
    """What may be wrong with a journal."""

    CHANGED = "changed"  # a posting is not what was sealed
    MISSING = "missing"  # a posting that was sealed is not there
    INSERTED = "inserted"  # a posting in a sealed day that no seal names
    SEAL_CHANGED = "seal_changed"
    SEAL_MISSING = "seal_missing"
    ANCHOR_CHANGED = "anchor_changed"  # an anchor does not fit its seals, or not the one before it
    ANCHOR_MISSING = "anchor_missing"
    CLOSE_CHANGED = "close_changed"  # a month's close is not what was written, or names another anchor
    ANCHOR_UNKNOWN = "anchor_unknown"  # one that was kept elsewhere is not in this journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong, and where."""

    wrong: Wrong
    site_id: int | None = None
    account_id: int | None = None
    day: date | None = None  # that was sealed; of a posting that no seal names, the day that it says (UTC)
    posting_id: UUID | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedAccount:
    """An account with its seals in their order."""

    account_id: int
    site_id: int
    seals: tuple[Seal, ...]


class Journal(Protocol):
    """A journal as it stands at one instant."""

    def anchors(self) -> list[Anchor]:
        """Return all anchors, by site and number."""
        ...

    def sealed_days(self) -> Mapping[int, date]:
        """Return of each site the last of its days whose end went on past sealing."""
        ...

    def closes(self) -> list[MonthClose]:
        """Return all closed months, by organisation and month; none, where only one site is asked for."""
        ...

    def accounts(self, *, since: Mapping[int, datetime]) -> Iterator[SealedAccount]:
        """Yield all accounts by number, with those seals that end after a site's instant."""
        ...

    def rows(self, *, since: Mapping[int, datetime]) -> Iterator[bytes]:
        """Yield the bytes of all postings by account, also such as no account has.

        Of those before a site's instant, none are needed but what these seals may name.
        """
        ...


@dataclass(slots=True)
class Verified:
    """What verifying has come to so far."""

    postings: int = 0
    seals: int = 0
    anchors: int = 0
    found: list[Finding] = field(default_factory=list)  # the first FINDINGS_MAX
    found_more: int = 0

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.found

    def add(self, finding: Finding) -> None:
        """Name what is wrong, or count it where too much is."""
        if len(self.found) < FINDINGS_MAX:
            self.found.append(finding)
        else:
            self.found_more += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a journal."""

    now: datetime
    since: date | None = None  # only days from this one on
    kept: tuple[str, ...] = ()  # anchors that were kept elsewhere: hexadecimal, or the begin of it


def verify(journal: Journal, question: Question, *, tell: Callable[[int], None]) -> Verified:
    """Recompute a journal; `tell` hears now and then how many postings were read."""
    verified = Verified()
    anchors = journal.anchors()
    days = _Days(anchors, question)
    _check_kept(anchors, question.kept, verified)
    rows = _Rows(journal.rows(since=days.begins), verified, tell=tell)
    for account in journal.accounts(since=days.begins):
        for orphan, postings in rows.before(account.account_id):
            _name_strangers(orphan, postings, verified)
        _check_account(account, rows.of(account.account_id), days, verified)
    for orphan, postings in rows.before(None):
        _name_strangers(orphan, postings, verified)
    days.check(verified)
    days.check_end(journal.sealed_days(), verified)
    _check_closes(journal.closes(), anchors, verified)
    return verified


_Kept = dict[bytes, tuple[bytes, bytes]]  # a posting's hash and instant of booking, by its id


class _Rows:
    """This will hash rows as they come, and give them account by account."""

    def __init__(self, rows: Iterator[bytes], verified: Verified, *, tell: Callable[[int], None]) -> None:
        self._verified = verified
        self._tell = tell
        self._groups = self._grouped(rows)
        self._next = next(self._groups, None)

    def before(self, account_id: int | None) -> Iterator[tuple[int, _Kept]]:
        """Yield what comes before an account; None = all that is left."""
        while self._next is not None and (account_id is None or self._next[0] < account_id):
            yield self._next
            self._next = next(self._groups, None)

    def of(self, account_id: int) -> _Kept:
        """Return an account's postings."""
        if self._next is None or self._next[0] != account_id:
            return {}
        _, postings = self._next
        self._next = next(self._groups, None)
        return postings

    def _grouped(self, rows: Iterator[bytes]) -> Iterator[tuple[int, _Kept]]:
        current, postings = b"", _Kept()
        number = 0
        for number, row in enumerate(rows, start=1):
            account = row[ACCOUNT_AT]
            if account != current:
                if postings:
                    yield int.from_bytes(current, signed=True), postings
                current, postings = account, {}
            postings[row[POSTING_AT]] = (sha256(row).digest(), row[BOOKED_AT])
            if number % TOLD_EVERY == 0:
                self._tell(number)
        if postings:
            yield int.from_bytes(current, signed=True), postings
        self._verified.postings = number
        self._tell(number)


class _Days:
    """This will gather the seals of each site's days, and hold them against the anchors at the end."""

    def __init__(self, anchors: list[Anchor], question: Question) -> None:
        self._question = question
        self._anchors = anchors
        self.begins: dict[int, datetime] = {}  # of each site: what is before it is not asked about
        self.ends: dict[int, datetime] = {}  # of each site: what is before it is anchored
        self._sums: dict[tuple[int, date], _Sum] = {}
        for anchor in anchors:
            self.ends[anchor.site_id] = anchor.until
            if question.since is not None and anchor.day < question.since:
                self.begins[anchor.site_id] = anchor.until

    def add(self, seal: Seal) -> None:
        """Take a seal as it stands: the anchor goes over what it should be."""
        total = self._sums.setdefault((seal.site_id, seal.day), _Sum(until=seal.until))
        total.accounts += 1
        total.postings += seal.postings
        total.digest.update(sealing.sealed_bytes(seal.account_id, seal.digest))

    def check(self, verified: Verified) -> None:
        """Hold what was gathered against the anchors."""
        before: Anchor | None = None
        for anchor in self._anchors:
            first = before is None or before.site_id != anchor.site_id
            expected = (1, NOTHING) if first or before is None else (before.anchor_no + 1, before.digest)
            begin = self.begins.get(anchor.site_id)
            if begin is None or anchor.until > begin:
                verified.anchors += 1
                self._check_one(anchor, expected, verified)
            before = anchor
        for (site_id, day), total in sorted(self._sums.items()):
            if total.until <= self._question.now - SEALING_MAX:
                detail = f"{total.accounts} seals of a day have no anchor"
                verified.add(Finding(wrong=Wrong.ANCHOR_MISSING, site_id=site_id, day=day, detail=detail))

    def check_end(self, sealed: Mapping[int, date], verified: Verified) -> None:
        """Hold the last anchor of each site against the days that went on as sealed: none is cut off."""
        last = {anchor.site_id: anchor.day for anchor in self._anchors}
        for site_id, day in sorted(sealed.items()):
            if last.get(site_id, date.min) < day:
                detail = "the day ended as a sealed one, and has no anchor"
                verified.add(Finding(wrong=Wrong.ANCHOR_MISSING, site_id=site_id, day=day, detail=detail))

    def _check_one(self, anchor: Anchor, expected: tuple[int, bytes], verified: Verified) -> None:
        total = self._sums.pop((anchor.site_id, anchor.day), None) or _Sum(until=anchor.until)
        number, previous = expected

        def found(wrong: Wrong, detail: str) -> None:
            verified.add(Finding(wrong=wrong, site_id=anchor.site_id, day=anchor.day, detail=detail))

        if anchor.anchor_no != number:
            found(Wrong.ANCHOR_MISSING, f"anchor {anchor.anchor_no} follows where {number} should")
        elif anchor.previous != previous:
            found(Wrong.ANCHOR_CHANGED, f"anchor {anchor.anchor_no} does not follow the one before it")
        counted = (total.accounts, total.postings)
        if counted != (anchor.accounts, anchor.postings):
            found(
                Wrong.ANCHOR_CHANGED,
                f"anchor {anchor.anchor_no} says {anchor.accounts} seals with {anchor.postings} postings, "
                f"and there are {total.accounts} with {total.postings}",
            )
        elif sealing.digest_of_anchor(anchor, seals=total.digest.digest()) != anchor.digest:
            found(Wrong.ANCHOR_CHANGED, f"anchor {anchor.anchor_no} is not that of its seals")


class _Sum:
    """What the seals of a site's day come to."""

    __slots__ = ("accounts", "digest", "postings", "until")

    def __init__(self, *, until: datetime) -> None:
        self.accounts = self.postings = 0
        self.digest = sha256()
        self.until = until


def _check_kept(anchors: list[Anchor], kept: Iterable[str], verified: Verified) -> None:
    for letters in kept:
        if not any(each.digest.hex().startswith(letters) for each in anchors):
            detail = f"{letters}: the journal was rewritten, or its end is missing"
            verified.add(Finding(wrong=Wrong.ANCHOR_UNKNOWN, detail=detail))


def _check_closes(closes: Iterable[MonthClose], anchors: Iterable[Anchor], verified: Verified) -> None:
    """Hold each closed month against what it says, the close before it, and the anchors that it names."""
    there = {(each.site_id, each.anchor_no): each.digest.hex() for each in anchors}
    before: MonthClose | None = None
    for close in closes:
        first = before is None or before.organisation_id != close.organisation_id
        previous = NOTHING if first or before is None else before.digest
        lost = [each for each in close.anchors if there.get((each.site_id, each.anchor_no)) != each.digest]
        if (close.previous, close.digest) != (previous, digest_of(close)) or lost:
            named = ", ".join(f"anchor {each.anchor_no} of site {each.site_id}" for each in lost)
            detail = f"organisation {close.organisation_id}: {named or 'it is not what was written'}"
            verified.add(Finding(wrong=Wrong.CLOSE_CHANGED, day=close.month, detail=detail))
        before = close


def _check_account(account: SealedAccount, postings: _Kept, days: _Days, verified: Verified) -> None:
    begin = days.begins.get(account.site_id)
    if begin is None and account.seals:
        _check_order(account.seals[0], number=1, previous=NOTHING, verified=verified)
    for before, seal in pairwise(account.seals):
        _check_order(seal, number=before.seal_no + 1, previous=before.digest, verified=verified)
    for seal in account.seals:
        verified.seals += 1
        days.add(seal)
        _check_seal(seal, postings, verified)
    end = days.ends.get(account.site_id)
    if end is None or not postings:
        return
    for posting_id, (_, booked) in postings.items():
        at = sealing.instant_of(booked)
        if at < end and (begin is None or at >= begin):
            _name_inserted(account.account_id, posting_id, at, verified, site_id=account.site_id)


def _check_order(seal: Seal, *, number: int, previous: bytes, verified: Verified) -> None:
    if seal.seal_no != number:
        wrong, detail = Wrong.SEAL_MISSING, f"seal {seal.seal_no} follows where {number} should"
    elif seal.previous != previous:
        wrong, detail = Wrong.SEAL_CHANGED, f"seal {seal.seal_no} does not follow the one before it"
    else:
        return
    verified.add(_of(seal, wrong, detail))


def _check_seal(seal: Seal, postings: _Kept, verified: Verified) -> None:
    """Hold a seal against the postings that it names, and take these away."""
    hashes = []
    is_whole = True
    witness = seal.witness
    for start in range(0, len(witness), WITNESS_BYTES):
        posting_id = witness[start : start + ID_BYTES]
        there = postings.pop(posting_id, None)
        if there is None:
            is_whole = False
            verified.add(_of(seal, Wrong.MISSING, "it was sealed, and is gone", posting_id))
        elif not there[0].startswith(witness[start + ID_BYTES : start + WITNESS_BYTES]):
            is_whole = False
            verified.add(_of(seal, Wrong.CHANGED, "it is not what was sealed", posting_id))
        else:
            hashes.append(there[0])
    if is_whole and sealing.digest_of_seal(seal, hashes=hashes) != seal.digest:
        verified.add(_of(seal, Wrong.SEAL_CHANGED, f"seal {seal.seal_no} is not that of its postings"))


def _of(seal: Seal, wrong: Wrong, detail: str, posting_id: bytes | None = None) -> Finding:
    return Finding(
        wrong=wrong,
        site_id=seal.site_id,
        account_id=seal.account_id,
        day=seal.day,
        posting_id=None if posting_id is None else UUID(bytes=posting_id),
        detail=detail,
    )


def _name_strangers(account_id: int, postings: _Kept, verified: Verified) -> None:
    for posting_id, (_, booked) in postings.items():
        _name_inserted(account_id, posting_id, sealing.instant_of(booked), verified, site_id=None)


def _name_inserted(
    account_id: int, posting_id: bytes, at: datetime, verified: Verified, *, site_id: int | None
) -> None:
    detail = "no seal names it" if site_id is not None else "there is no such account"
    verified.add(
        Finding(
            wrong=Wrong.INSERTED,
            site_id=site_id,
            account_id=account_id,
            day=at.date(),
            posting_id=UUID(bytes=posting_id),
            detail=f"booked {at:%Y-%m-%d %H:%M}Z, and {detail}",
        )
    )

"""Seals and anchors of the journal, in memory."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from compuerta.adapters.memory.tables import Tables
from compuerta.domain import sealing
from compuerta.domain.ledger import Posting
from compuerta.domain.sealing import NOTHING, WITNESS_BYTES, Anchor, Seal
from compuerta.services.freeze_port import DayKey, SiteDay
from compuerta.services.seal_port import DaySeals, JournalCheck, LatePosting, Sealed


class MemorySeals:
    """See `seal_port.Seals`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def last_anchor(self, site_id: int) -> Anchor | None:
        mine = [each for each in self._tables.anchors.values() if each.site_id == site_id]
        return max(mine, key=lambda each: each.anchor_no, default=None)

    def anchor_of(self, key: DayKey) -> Anchor | None:
        mine = [each for each in self._tables.anchors.values() if each.site_id == key.site_id]
        return min((each for each in mine if each.day >= key.day), key=lambda each: each.day, default=None)

    def seal(self, day: SiteDay, *, since: datetime | None, after: int, limit: int) -> Sealed:
        accounts = sorted(
            each.account_id
            for each in self._tables.accounts.values()
            if each.site_id == day.site_id and each.account_id > after
        )[:limit]
        sealed_today = {each.account_id for each in self._tables.seals.values() if each.day == day.day}
        wanted = set(accounts) - sealed_today
        late: list[Posting] = []
        for account_id, postings in self._unsealed(wanted, until=day.ends_at).items():
            self._seal_account(account_id, day, postings)
            late += [each for each in postings if since is not None and each.booked_at < since]
        return Sealed(
            last=accounts[-1] if len(accounts) == limit else None,
            late=tuple(
                LatePosting(account_id=each.account_id, posting_id=each.posting_id, booked_at=each.booked_at)
                for each in sorted(late, key=lambda each: (each.account_id, each.posting_id))
            ),
        )

    def _unsealed(self, account_ids: set[int], *, until: datetime) -> dict[int, list[Posting]]:
        known = {
            UUID(bytes=each.witness[start : start + sealing.ID_BYTES])
            for each in self._tables.seals.values()
            if each.account_id in account_ids
            for start in range(0, len(each.witness), WITNESS_BYTES)
        }
        found: dict[int, list[Posting]] = defaultdict(list)
        for posting in self._tables.postings.values():
            mine = posting.account_id in account_ids and posting.booked_at < until
            if mine and posting.posting_id not in known:
                found[posting.account_id].append(posting)
        for postings in found.values():
            postings.sort(key=lambda each: (each.booked_at, each.posting_id))
        return dict(sorted(found.items()))

    def _seal_account(self, account_id: int, day: SiteDay, postings: list[Posting]) -> None:
        before = [each for each in self._tables.seals.values() if each.account_id == account_id]
        last = max(before, key=lambda each: each.seal_no, default=None)
        hashed = [(each.posting_id.bytes, sealing.hash_of(each)) for each in postings]
        made = Seal(
            account_id=account_id,
            seal_no=1 if last is None else last.seal_no + 1,
            site_id=day.site_id,
            day=day.day,
            until=day.ends_at,
            postings=len(postings),
            previous=NOTHING if last is None else last.digest,
            digest=NOTHING,
            witness=sealing.witness_of(hashed),
        )
        digest = sealing.digest_of_seal(made, hashes=(whole for _, whole in hashed))
        self._tables.seals[account_id, made.seal_no] = replace(made, digest=digest)

    def seals_of(self, day: SiteDay) -> DaySeals:
        mine = sorted(
            (each for each in self._tables.seals.values() if (each.site_id, each.day) == day.key),
            key=lambda each: each.account_id,
        )
        return DaySeals(
            accounts=len(mine),
            postings=sum(each.postings for each in mine),
            digest=sha256(
                b"".join(sealing.sealed_bytes(each.account_id, each.digest) for each in mine)
            ).digest(),
        )

    def put_anchor(self, anchor: Anchor) -> None:
        self._tables.take("anchor_day", anchor.site_id, anchor.day)
        self._tables.take("anchor_pkey", anchor.site_id, anchor.anchor_no)
        self._tables.anchors[anchor.site_id, anchor.anchor_no] = anchor

    def put_checks(self, checks: Sequence[JournalCheck]) -> None:
        self._tables.journal_checks.extend(checks)

"""Roll-forwards of accounts, and drifts, in memory: account by account what PostgreSQL does in one go."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from compuerta.adapters.memory.tables import Tables, require
from compuerta.domain.instruction import Instruction, Kind
from compuerta.domain.ledger import DELIVERED, UNDELIVERED, Posting, PostingKind, liability_minor
from compuerta.services.day_port import (
    CHARGING,
    RECHARGING,
    AccountDay,
    AccountWeight,
    ChargedSince,
    Drift,
    RollDiffers,
)
from compuerta.services.freeze_port import DayKey, Freeze, FreezeBasis, SiteDay

_DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class _Moved:
    """How an account's credit moved in some time."""

    credit_minor: int = 0
    undelivered_minor: int = 0
    recharged_minor: int = 0
    charged_minor: int = 0
    postings: int = 0

    def add(self, posting: Posting) -> None:
        undelivered_minor = liability_minor(posting, code=UNDELIVERED)
        credit_minor = undelivered_minor + liability_minor(posting, code=DELIVERED)
        self.credit_minor += credit_minor
        self.undelivered_minor += undelivered_minor
        self.recharged_minor += credit_minor * (posting.kind in RECHARGING)
        self.charged_minor -= credit_minor * (posting.kind in CHARGING)
        self.postings += 1


class MemoryDays:
    """See `day_port.Days`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def roll(self, day: SiteDay) -> int:
        yesterday = DayKey(day.site_id, day.day - _DAY)
        before = {each.account_id: each for each in self._last(yesterday)}
        last = {each.account_id: each for each in self._last(day.key)}
        earlier, moved = self._moved(until=day.starts_at), self._moved(day.starts_at, day.ends_at)
        frozen, freezes = self._frozen(yesterday), self._frozen(day.key)
        written = 0
        for account_id, account in sorted(self._tables.accounts.items()):
            if account.site_id != day.site_id or account.period.start >= day.ends_at:
                continue
            opened, known = before.get(account_id), last.get(account_id)
            was = earlier[account_id]
            opening_minor = was.credit_minor if opened is None else opened.closing_minor
            undelivered_minor = was.undelivered_minor if opened is None else opened.undelivered_minor
            row = replace(
                _energy(frozen.get(account_id), freezes.get(account_id)),
                account_id=account_id,
                day=day.day,
                version=1 if known is None else known.version,
                site_id=day.site_id,
                opening_minor=opening_minor,
                recharged_minor=(of_day := moved[account_id]).recharged_minor,
                adjusted_minor=of_day.credit_minor - of_day.recharged_minor + of_day.charged_minor,
                charged_minor=of_day.charged_minor,
                closing_minor=opening_minor + of_day.credit_minor,
                undelivered_minor=undelivered_minor + of_day.undelivered_minor,
                postings=of_day.postings,
            )
            ended = account.period.end
            was_open = ended is None or ended > day.starts_at or row.postings or row.opening_minor
            if row != known and (known is not None or was_open):
                self._put(row if known is None else replace(row, version=known.version + 1))
                written += 1
        return written

    def rolled_days(self, site_id: int, *, since: date) -> list[SiteDay]:
        rolled = {day for _, day, _ in self._tables.account_days}
        return [
            day
            for key, day in sorted(self._tables.site_days.items())
            if key.site_id == site_id and key.day >= since and key.day in rolled and self._last(key)
        ]

    def differing(self, day: SiteDay, *, limit: int) -> list[RollDiffers]:
        since, found = self._moved(day.ends_at), []
        for each in self._last(day.key):
            held, moved = self._tables.holdings[each.account_id], since[each.account_id]
            told = RollDiffers(
                account_id=each.account_id,
                closing_minor=each.closing_minor,
                undelivered_minor=each.undelivered_minor,
                held_minor=held.undelivered_minor + held.delivered_minor - moved.credit_minor,
                held_undelivered_minor=held.undelivered_minor - moved.undelivered_minor,
            )
            rolled = (each.closing_minor, each.undelivered_minor)
            if rolled != (told.held_minor, told.held_undelivered_minor):
                found.append(told)
        return found[:limit]

    def rolled(self, key: DayKey) -> list[AccountDay]:
        return self._last(key)

    def of_accounts(self, account_ids: Iterable[int], *, since: date, until: date) -> list[AccountDay]:
        asked = set(account_ids)
        last: dict[tuple[int, date], AccountDay] = {}
        for (account_id, day, version), each in self._tables.account_days.items():
            known = last.get((account_id, day))
            if account_id in asked and since <= day < until and (known is None or known.version < version):
                last[account_id, day] = each
        return [each for _, each in sorted(last.items())]

    def charged(self, after_wh: Mapping[int, int], *, before: datetime) -> dict[int, ChargedSince]:
        booked = {
            each.cause_id: each.booked_at
            for each in self._tables.postings.values()
            if each.account_id in after_wh and each.kind is PostingKind.CHARGE
        }
        found = {
            account_id: ChargedSince(to_wh=wh, amount_minor=0, read_at=None)
            for account_id, wh in after_wh.items()
        }
        for each in self._tables.charges.values():
            since = found.get(each.account_id)
            if since is None or each.from_wh < after_wh[each.account_id]:
                continue
            if booked.get(each.charge_id, each.read_at) < before:
                found[each.account_id] = ChargedSince(
                    to_wh=max(since.to_wh, each.to_wh),
                    amount_minor=since.amount_minor + each.bill_after_minor - each.bill_before_minor,
                    read_at=max(since.read_at or each.read_at, each.read_at),
                )
        return found

    def deliveries(self, meter_ids: Iterable[int], *, since: datetime) -> list[Instruction]:
        asked = set(meter_ids)
        found = [
            each
            for each in self._tables.instructions.values()
            if each.meter_id in asked
            and each.kind in (Kind.RECHARGE, Kind.WITHDRAWAL)
            and (each.ended_at is None or each.ended_at >= since)
        ]
        return sorted(found, key=lambda each: (each.meter_id, each.purchase_no or 0, each.created_at))

    def weights(self, account_ids: Iterable[int]) -> dict[int, AccountWeight]:
        kept = self._tables.account_weights
        return {account_id: kept[account_id] for account_id in account_ids if account_id in kept}

    def save_weights(self, weights: Sequence[AccountWeight]) -> None:
        self._tables.account_weights.update({each.account_id: each for each in weights})

    def drifts_of(self, account_ids: Iterable[int]) -> list[Drift]:
        asked = set(account_ids)
        return [each for each in self._drifts() if each.account_id in asked and each.gone_at is None]

    def drifts(self, key: DayKey) -> list[Drift]:
        there = [each for each in self._drifts() if each.site_id == key.site_id]
        return [each for each in there if each.day <= key.day <= each.seen_day]

    def put_drifts(self, drifts: Sequence[Drift]) -> None:
        for each in drifts:
            self._tables.take("drift_pkey", each.account_id, each.drift_id)
            require(each.drift_id in self._tables.cases, "drift_account_id_drift_id_fkey")
        self.save_drifts(drifts)

    def save_drifts(self, drifts: Sequence[Drift]) -> None:
        for each in drifts:
            require(each.minor != 0, "drift_minor_check")
            self._tables.drifts[each.drift_id] = each

    def _put(self, row: AccountDay) -> None:
        adds_up = row.opening_minor + row.recharged_minor + row.adjusted_minor - row.charged_minor
        require(row.closing_minor == adds_up, "account_day_adds_up")
        self._tables.take("account_day_pkey", row.account_id, row.day, row.version)
        self._tables.account_days[row.account_id, row.day, row.version] = row

    def _moved(self, since: datetime | None = None, until: datetime | None = None) -> dict[int, _Moved]:
        moved: dict[int, _Moved] = defaultdict(_Moved)
        for each in self._tables.postings.values():
            if (since is None or since <= each.booked_at) and (until is None or each.booked_at < until):
                moved[each.account_id].add(each)
        return moved

    def _frozen(self, key: DayKey) -> dict[int, Freeze]:
        found: dict[int, Freeze] = {}
        for each in self._tables.freezes.values():
            known = found.get(each.account_id)
            if (each.site_id, each.day) == key and (known is None or _rank(known) < _rank(each)):
                found[each.account_id] = each
        return found

    def _last(self, key: DayKey) -> list[AccountDay]:
        last: dict[int, AccountDay] = {}
        for each in self._tables.account_days.values():
            known = last.get(each.account_id)
            of_key = (each.site_id, each.day) == key
            if of_key and (known is None or known.version < each.version):
                last[each.account_id] = each
        return [each for _, each in sorted(last.items())]

    def _drifts(self) -> Iterator[Drift]:
        order = sorted(
            self._tables.drifts.values(), key=lambda each: (each.account_id, each.opened_at, each.drift_id)
        )
        return iter(order)


def _rank(freeze: Freeze) -> tuple[int, int]:
    return freeze.version, -freeze.meter_id


_NO_MONEY: Final = AccountDay(
    account_id=0,
    day=date.min,
    version=1,
    site_id=0,
    opening_minor=0,
    recharged_minor=0,
    adjusted_minor=0,
    charged_minor=0,
    closing_minor=0,
    undelivered_minor=0,
    postings=0,
)


def _energy(opening: Freeze | None, closing: Freeze | None) -> AccountDay:
    """Return what the freezes of two midnights tell of a day; what they do not tell is not zero."""
    opening_wh, closing_wh = _register(opening), _register(closing)
    same_meter = opening is not None and closing is not None and opening.meter_id == closing.meter_id
    used_wh = None
    if same_meter and opening_wh is not None and closing_wh is not None and closing_wh >= opening_wh:
        used_wh = closing_wh - opening_wh
    supposed = [each is not None and each.basis is FreezeBasis.PROVISIONAL for each in (opening, closing)]
    return replace(
        _NO_MONEY,
        opening_wh=opening_wh,
        closing_wh=closing_wh,
        used_wh=used_wh,
        is_provisional=any(supposed),
    )


def _register(freeze: Freeze | None) -> int | None:
    return None if freeze is None or freeze.basis is FreezeBasis.HELD else freeze.energy_wh

"""What a site's day comes to, added up row by row in memory."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from compuerta.adapters.memory.tables import Tables
from compuerta.domain.ledger import DELIVERED, UNDELIVERED, Posting, PostingKind
from compuerta.domain.party import Account, AccountKind, CreditAuthority
from compuerta.domain.payment import RefundState
from compuerta.drivers.abilities import Relay
from compuerta.services.daily_report import (
    AGES_DAYS,
    AlarmCount,
    Arrears,
    Bill,
    BillDifference,
    Books,
    CaseCount,
    Channel,
    Completeness,
    DayFacts,
    Energy,
    Feeder,
    Gap,
    InTheRed,
    Money,
    Parts,
    Standing,
)
from compuerta.services.day_port import AccountDay
from compuerta.services.freeze_port import Freeze, FreezeBasis, SiteDay
from compuerta.services.payment_ports import StatementKind
from compuerta.services.records import Payment, PaymentVerdict, Recharge
from compuerta.services.report_port import DIFFERENCES_MAX, GAPS_MAX, REDS_MAX
from compuerta.services.statement_port import Statement

_UNKNOWN = (FreezeBasis.MISSING, FreezeBasis.HELD, FreezeBasis.PROVISIONAL)
_HELD_FOR_US = (DELIVERED, UNDELIVERED)


def facts(tables: Tables, day: SiteDay) -> DayFacts:
    """Add up all that is of a day itself."""
    rolled, last = _rolled(tables, day), last_freezes(tables, day)
    paid = [
        each
        for each in tables.payments.values()
        if _at(tables, each.account_id, day) and day.starts_at <= each.posted_at < day.ends_at
    ]
    return DayFacts(
        energy=_energy(tables, rolled, last, last_freezes(tables, _before(day))),
        money=_money(rolled),
        books=_books(tables, day),
        parts=_parts(tables, paid),
        channels=_channels(tables, day, paid),
        bills=tuple(_bill(tables, each) for each in bills_of(tables, day) if each.currency == day.currency),
        bill_differences=_bill_differences(tables, day),
        feeders=_feeders(tables, day, last),
        alarms=_alarms(tables, day),
        completeness=Completeness(
            meters=day.meters,
            valid=day.valid,
            provisional=day.provisional,
            missing=day.missing,
            gaps=_gaps(tables, last.values()),
        ),
        drifts=(),
        drifts_minor=0,
        drifts_number=0,
        anchor="",
    )


def standing(tables: Tables, day: SiteDay, *, now: datetime) -> Standing:
    """Add up what stands now at a site."""
    here = sorted(_here(tables, day), key=lambda each: (each.balance_minor, each.place, each.account_id))
    reds = [each for each in here if each.balance_minor <= 0]
    return Standing(
        at=now.isoformat(),
        arrears=_arrears(tables, day, now=now),
        red=len(reds),
        red_minor=sum(each.balance_minor for each in reds),
        off=sum(each.is_off for each in here),
        reds=tuple(reds[:REDS_MAX]),
        cases=_cases(tables, day, now=now),
    )


def last_freezes(tables: Tables, day: SiteDay) -> dict[int, Freeze]:
    """Return the last version of each freeze of a day, by meter."""
    last: dict[int, Freeze] = {}
    for each in sorted(tables.freezes.values(), key=lambda each: (each.meter_id, each.version)):
        if (each.site_id, each.day) == day.key:
            last[each.meter_id] = each
    return last


def bills_of(tables: Tables, day: SiteDay) -> list[Statement]:
    """Return the bills of a day's date, by provider."""
    found = [
        each
        for each in tables.statements.values()
        if (each.organisation_id, each.day, each.kind) == (day.organisation_id, day.day, StatementKind.TRADE)
    ]
    return sorted(found, key=lambda each: each.provider)


def _at(tables: Tables, account_id: int | None, day: SiteDay) -> bool:
    return account_id is not None and tables.accounts[account_id].site_id == day.site_id


def _before(day: SiteDay) -> SiteDay:
    return replace(day, day=day.day - timedelta(days=1))


def _rolled(tables: Tables, day: SiteDay) -> list[AccountDay]:
    last: dict[int, AccountDay] = {}
    for each in sorted(tables.account_days.values(), key=lambda each: (each.account_id, each.version)):
        if (each.site_id, each.day) == day.key:
            last[each.account_id] = each
    return list(last.values())


def _energy(
    tables: Tables,
    rolled: Iterable[AccountDay],
    closes: Mapping[int, Freeze],
    opens: Mapping[int, Freeze],
) -> Energy:
    uses = [each for each in rolled if _buys(tables, each.account_id)]
    frozen = {each.account_id for each in closes.values()}
    return Energy(
        used_wh=sum(each.used_wh or 0 for each in uses),
        provisional_wh=sum(each.used_wh or 0 for each in uses if each.is_provisional),
        accounts=sum(each.used_wh is not None for each in uses),
        unknown=sum(each.used_wh is None and each.account_id in frozen for each in uses),
        rates_wh=_rates(tables, closes, opens),
        hours_wh=(),
    )


def _rates(tables: Tables, closes: Mapping[int, Freeze], opens: Mapping[int, Freeze]) -> tuple[int, ...]:
    sums: Counter[int] = Counter()
    for meter_id, close in closes.items():
        opened = opens.get(meter_id)
        if opened is None or close.account_id != opened.account_id or not _buys(tables, close.account_id):
            continue
        before, after = opened.rates_wh, close.rates_wh
        if before is None or after is None or len(before) != len(after) or not _known(opened, close):
            continue
        for place, (open_wh, close_wh) in enumerate(zip(before, after, strict=True)):
            sums[place] += close_wh - open_wh
    return tuple(wh for _, wh in sorted(sums.items()))


def _known(*freezes: Freeze) -> bool:
    return all(each.basis not in (FreezeBasis.MISSING, FreezeBasis.HELD) for each in freezes)


def _buys(tables: Tables, account_id: int) -> bool:
    return tables.accounts[account_id].kind is not AccountKind.FEEDER


def _money(rolled: Iterable[AccountDay]) -> Money:
    days = list(rolled)
    return Money(
        accounts=len(days),
        opening_minor=sum(each.opening_minor for each in days),
        recharged_minor=sum(each.recharged_minor for each in days),
        adjusted_minor=sum(each.adjusted_minor for each in days),
        charged_minor=sum(each.charged_minor for each in days),
        closing_minor=sum(each.closing_minor for each in days),
        undelivered_minor=sum(each.undelivered_minor for each in days),
    )


def _books(tables: Tables, day: SiteDay) -> Books:
    ours = [each for each in tables.postings.values() if _at(tables, each.account_id, day)]
    today = [each for each in ours if day.starts_at <= each.booked_at < day.ends_at]
    later = [each for each in ours if each.booked_at >= day.ends_at]
    came = [each for each in today if each.kind in (PostingKind.RECHARGE, PostingKind.SUSPENSE)]
    charges = [each for each in today if each.kind is PostingKind.CHARGE]
    held = sum(
        each.delivered_minor + each.undelivered_minor
        for each in tables.holdings.values()
        if _at(tables, each.account_id, day)
    )
    return Books(
        received_minor=_lines(came, lambda code: code.startswith("cash:")),
        charged_minor=-_lines(charges, lambda code: code not in _HELD_FOR_US),
        closing_minor=held + _lines(later, lambda code: code in _HELD_FOR_US),
    )


def _lines(postings: Iterable[Posting], wanted: Callable[[str], bool]) -> int:
    return sum(line.amount_minor for each in postings for line in each.lines if wanted(line.code))


def _recharges(tables: Tables, paid: Iterable[Payment]) -> list[Recharge]:
    named = {(each.account_id, each.payment_id) for each in paid}
    return [each for each in tables.recharges.values() if (each.account_id, each.payment_id) in named]


def _parts(tables: Tables, paid: list[Payment]) -> Parts:
    made = _recharges(tables, paid)
    return Parts(
        credit_minor=sum(each.credit_minor for each in made),
        fixed_minor=sum(each.fixed_minor for each in made),
        debt_minor=sum(each.debt_minor for each in made),
        fee_minor=sum(each.fee_minor for each in made),
        tax_minor=sum(each.tax_minor for each in made),
        change_minor=sum(each.change_minor for each in made),
        suspended_minor=sum(each.amount_minor for each in paid if each.verdict is PaymentVerdict.SUSPENDED),
    )


def _channels(tables: Tables, day: SiteDay, paid: list[Payment]) -> tuple[Channel, ...]:
    back = [
        each
        for each in tables.refunds.values()
        if _at(tables, each.account_id, day)
        and each.state is RefundState.DONE
        and each.ended_at is not None
        and day.starts_at <= each.ended_at < day.ends_at
    ]
    providers = {each.provider for each in paid} | {each.provider for each in back}
    return tuple(
        Channel(
            provider=provider,
            kind=tables.provider_accounts[provider].kind,
            payments=sum(each.provider == provider for each in paid),
            paid_minor=sum(each.amount_minor for each in paid if each.provider == provider),
            refunds=sum(each.provider == provider for each in back),
            refunded_minor=sum(each.amount_minor for each in back if each.provider == provider),
        )
        for provider in sorted(providers)
    )


def _bill(tables: Tables, bill: Statement) -> Bill:
    differs = sum(
        (each.theirs_minor or 0) - (each.ours_minor or 0)
        for each in tables.statement_differences.values()
        if (each.provider, each.day, each.kind) == bill.key and not each.refund_reference
    )
    return Bill(
        provider=bill.provider,
        state=bill.state.value,
        version=bill.version,
        lines=bill.lines,
        differing=bill.differing,
        gross_minor=bill.gross_minor,
        refunded_minor=bill.refunded_minor,
        fee_minor=bill.fee_minor,
        differs_minor=differs,
    )


def _bill_differences(tables: Tables, day: SiteDay) -> tuple[BillDifference, ...]:
    found = [
        each
        for each in tables.statement_differences.values()
        if (each.organisation_id, each.day, each.kind, each.currency)
        == (day.organisation_id, day.day, StatementKind.TRADE, day.currency)
    ]
    named = sorted(found, key=lambda each: (each.provider, each.difference_no))[:DIFFERENCES_MAX]
    return tuple(
        BillDifference(
            provider=each.provider,
            what=each.what.value,
            transaction_no=each.transaction_no,
            theirs_minor=each.theirs_minor,
            ours_minor=each.ours_minor,
            is_open=each.ended_at is None,
        )
        for each in named
    )


def _feeders(tables: Tables, day: SiteDay, closes: Mapping[int, Freeze]) -> tuple[Feeder, ...]:
    opens = last_freezes(tables, _before(day))

    def used_wh(meter_id: int) -> int | None:
        opened, close = opens.get(meter_id), closes.get(meter_id)
        if opened is None or close is None or not _known(opened, close):
            return None
        assert opened.energy_wh is not None and close.energy_wh is not None
        return close.energy_wh - opened.energy_wh

    behind: dict[int, list[int]] = {}
    for each in tables.feedings.values():
        all_day = each.started_at <= day.starts_at and (each.ended_at is None or each.ended_at >= day.ends_at)
        if all_day and _at(tables, tables.account_of_meter.get(each.feeder_meter_id), day):
            behind.setdefault(each.feeder_meter_id, []).append(each.meter_id)
    found = []
    for feeder_id, meter_ids in sorted(behind.items()):
        uses = [used_wh(meter_id) for meter_id in meter_ids]
        found.append(
            Feeder(
                meter_id=feeder_id,
                name=tables.accounts[tables.account_of_meter[feeder_id]].name,
                fed_wh=used_wh(feeder_id),
                used_wh=sum(each or 0 for each in uses),
                meters=len(uses),
                unknown=sum(each is None for each in uses),
            )
        )
    return tuple(found)


def _alarms(tables: Tables, day: SiteDay) -> tuple[AlarmCount, ...]:
    raised = Counter(
        (each.kind.value, each.severity.value)
        for each in tables.meter_alarms.values()
        if _at(tables, each.account_id, day) and day.starts_at <= each.raised_at < day.ends_at
    )
    ordered = sorted(raised.items(), key=lambda each: (-each[1], each[0]))
    return tuple(
        AlarmCount(kind=kind, severity=severity, raised=number) for (kind, severity), number in ordered
    )


def _gaps(tables: Tables, freezes: Iterable[Freeze]) -> tuple[Gap, ...]:
    found = []
    for each in freezes:
        if each.basis in _UNKNOWN:
            account = tables.accounts[each.account_id]
            gap = Gap(
                meter_id=each.meter_id,
                meter_no=tables.meters[each.meter_id].meter_no,
                place=_place(account),
                name=account.name,
                basis=each.basis.value,
                reason=each.reason,
            )
            found.append((_UNKNOWN.index(each.basis), gap.place, gap.meter_id, gap))
    return tuple(gap for *_, gap in sorted(found, key=lambda each: each[:3]))[:GAPS_MAX]


def _place(account: Account) -> str:
    return " ".join(part for part in (account.building, account.supply_point) if part)


def _here(tables: Tables, day: SiteDay) -> list[InTheRed]:
    found = []
    for meter_id, account_id in tables.account_of_meter.items():
        account, snapshot = tables.accounts[account_id], tables.snapshots[meter_id]
        if account.site_id != day.site_id or account.kind is AccountKind.FEEDER:
            continue
        balance_minor: int | None = None
        if tables.meters[meter_id].credit_authority is CreditAuthority.METER:
            balance_minor = snapshot.balance_minor
        if balance_minor is None:
            balance_minor = tables.holdings[account_id].delivered_minor
        found.append(
            InTheRed(
                account_id=account_id,
                meter_id=meter_id,
                place=_place(account),
                name=account.name,
                balance_minor=balance_minor,
                is_off=snapshot.relay is Relay.OPEN,
            )
        )
    return found


def _arrears(tables: Tables, day: SiteDay, *, now: datetime) -> Arrears:
    owed = [
        each
        for each in tables.debts.values()
        if each.remaining_minor > 0 and _at(tables, each.account_id, day)
    ]
    by_age = [0] * (len(AGES_DAYS) + 1)
    for each in owed:
        by_age[sum(each.opened_at <= now - timedelta(days=days) for days in AGES_DAYS)] += (
            each.remaining_minor
        )
    return Arrears(
        accounts=len({each.account_id for each in owed}),
        debts=len(owed),
        owed_minor=sum(by_age),
        by_age_minor=tuple(by_age),
    )


def _cases(tables: Tables, day: SiteDay, *, now: datetime) -> tuple[CaseCount, ...]:
    opened: dict[str, list[datetime]] = {}
    for each in tables.cases.values():
        looked_at = tables.cases_looked_at.get(each.case_id)
        is_open = looked_at is None or looked_at.closed_at is None
        if is_open and _at(tables, each.account_id, day):
            opened.setdefault(each.kind, []).append(each.opened_at)
    ordered = sorted(opened.items(), key=lambda each: (min(each[1]), each[0]))
    return tuple(
        CaseCount(kind=kind, open=len(instants), oldest_days=(now - min(instants)).days)
        for kind, instants in ordered
    )

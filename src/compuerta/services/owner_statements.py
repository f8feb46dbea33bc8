"""Owners' statements: a month of a site, or of all sites of an organisation, for whoever owns it.

Two roll-forwards, and both add up to the ledger: what residents have as credit, account by account, and what
providers, tills and the safe hold for the owner, by what moved it. What is held and not yet paid out to the
bank is what the owner is owed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import Final

from compuerta.domain.errors import Broken, Refused
from compuerta.domain.ledger import (
    DEBT,
    FEE,
    GOODWILL,
    LEVY,
    OVER_SHORT,
    PROVIDER_FEE,
    REVENUE_DEMAND,
    REVENUE_ENERGY,
    REVENUE_FIXED,
    REVENUE_MINIMUM,
    SAFE,
    SUBSIDY,
    SUSPENSE,
    TAX,
    WRITTEN_OFF,
    PostingKind,
    cash,
)
from compuerta.domain.party import BUYING, AccountKind
from compuerta.services.day_end import bounds_of
from compuerta.services.day_port import AccountDay
from compuerta.services.freeze_port import FreezeBasis
from compuerta.services.history_port import CodeSum, Tenancy
from compuerta.services.resident_statements import CREDIT, Effect, Owed, effect_of, owed_of, read_steadily
from compuerta.services.statement_months import Month
from compuerta.services.store_port import Store, Transaction

# By what was sold, and what is collected for the state; a subsidy is taken off the bill.
EARNED: Final = (
    REVENUE_ENERGY, REVENUE_FIXED, REVENUE_DEMAND, REVENUE_MINIMUM, FEE, TAX, LEVY, SUBSIDY,
)  # fmt: skip
BORNE: Final = (PROVIDER_FEE, WRITTEN_OFF, GOODWILL, OVER_SHORT)
_EVER: Final = datetime(1, 1, 1, tzinfo=UTC)


class SiteUnknown(Refused):
    """There is no such site, or nobody has lived at it yet."""

    def __init__(self, what: str) -> None:
        super().__init__(f"there is nothing to state for {what}: it has no accounts")
        self.what = what


class MonthAhead(Refused):
    """A month that has not begun."""

    def __init__(self, month: Month) -> None:
        super().__init__(f"{month} has not begun; choose an earlier month")
        self.month = month


class CurrenciesDiffer(Refused):
    """Sites with different currencies are stated one by one."""

    def __init__(self, currencies: Iterable[str]) -> None:
        super().__init__(f"the sites have {', '.join(sorted(currencies))}: ask for one site")


class DoesNotRoll(Broken):
    """What moved in a month is not what the ledger says of its ends."""

    def __init__(self, what: str, *, moved_minor: int, ledger_minor: int) -> None:
        super().__init__(f"{what}: the moves come to {moved_minor}, the ledger to {ledger_minor}")


class Way(Enum):
    """What moved money that is held for the owner."""

    RECEIVED = "received"  # recharges, and money that waits to be placed
    DEPOSITS = "deposits"  # securities, and what was settled when somebody moved
    GIVEN_BACK = "given_back"  # to payers
    DISPUTED = "disputed"  # by payers' banks
    FEES = "fees"  # that providers kept
    PAID_OUT = "paid_out"  # to the bank
    DRAWERS = "drawers"  # between drawers and the safe, and what counts differed by
    OTHER = "other"


_WAY_OF: Final[Mapping[PostingKind, Way]] = MappingProxyType(
    {
        PostingKind.RECHARGE: Way.RECEIVED,
        PostingKind.SUSPENSE: Way.RECEIVED,
        PostingKind.DEPOSIT: Way.DEPOSITS,
        PostingKind.SETTLEMENT: Way.DEPOSITS,
        PostingKind.REFUND: Way.GIVEN_BACK,
        PostingKind.DISPUTE: Way.DISPUTED,
        PostingKind.PROVIDER_FEE: Way.FEES,
        PostingKind.PAYOUT: Way.PAID_OUT,
        PostingKind.SHIFT: Way.DRAWERS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a provider, a till or the safe held for the owner, and what moved it."""

    code: str
    opening_minor: int
    moves: Mapping[Way, int]
    closing_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLine:
    """An account's month: opening + recharged + adjusted - charged = closing."""

    tenancy: Tenancy
    opening_minor: int
    recharged_minor: int
    adjusted_minor: int
    charged_minor: int
    closing_minor: int
    charged_wh: int
    owed_minor: int  # from before, at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacant:
    """A place where nobody had an account for whole days of the month."""

    site: str
    building: str
    place: str
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeederMonth:
    """What a feeder measured, and the meters behind it; None = a register is not known."""

    site: str
    name: str
    fed_wh: int | None
    used_wh: int | None

    @property
    def loss_wh(self) -> int | None:
        """What was not measured again."""
        return None if self.fed_wh is None or self.used_wh is None else self.fed_wh - self.used_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEnergy:
    """A day of all accounts; the energy is of those that are known."""

    day: date
    used_wh: int | None  # None = of nobody known
    is_provisional: bool
    missing: int  # accounts of which the day is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerStatement:
    """A month of a site, or of an organisation."""

    organisation: str
    site: str  # "" = all
    zone: str
    currency: str
    month: Month
    since: datetime
    until: datetime
    is_over: bool
    lines: tuple[AccountLine, ...]
    held: tuple[Held, ...]
    earned: Mapping[str, int]  # what was charged and taken, by code of the ledger
    borne: Mapping[str, int]  # what was spent, given or lost, by code
    owed: Owed  # by residents, from before
    suspense_minor: int  # money that could not be placed, at the end
    vacant: tuple[Vacant, ...]
    feeders: tuple[FeederMonth, ...]
    energy: tuple[SiteEnergy, ...]

    def moved_minor(self, way: Way) -> int:
        """Return what a way moved of all that is held."""
        return sum(each.moves.get(way, 0) for each in self.held)

    @property
    def opening_minor(self) -> int:
        """What the owner was owed when the month began."""
        return sum(each.opening_minor for each in self.held)

    @property
    def closing_minor(self) -> int:
        """What the owner is owed at its end."""
        return sum(each.closing_minor for each in self.held)

    @property
    def charged_wh(self) -> int:
        """The energy that was charged."""
        return sum(each.charged_wh for each in self.lines)


def site_statement(store: Store, site_id: int, *, month: Month, now: datetime) -> OwnerStatement:
    """Return a month of a site; of the running month, up to now."""

    def read() -> OwnerStatement:
        with store.transaction() as tx:
            return _stated(tx, [site_id], f"site {site_id}", month, now=now)

    return read_steadily(read, unsteady=DoesNotRoll)


def organisation_statement(
    store: Store, organisation_id: int, *, month: Month, now: datetime
) -> OwnerStatement:
    """Return a month of all sites of an organisation; refuses sites with different currencies.

    The month is that of the first site's zone.
    """

    def read() -> OwnerStatement:
        with store.transaction() as tx:
            sites = tx.histories.sites_of(organisation_id)
            return _stated(tx, sites, f"organisation {organisation_id}", month, now=now)

    return read_steadily(read, unsteady=DoesNotRoll)


def _stated(
    tx: Transaction, site_ids: Sequence[int], what: str, month: Month, *, now: datetime
) -> OwnerStatement:
    known = tx.histories.tenancies(site_ids, since=_EVER, until=now)
    if not known:
        raise SiteUnknown(what)
    if len({each.currency for each in known}) > 1:
        raise CurrenciesDiffer({each.currency for each in known})
    since, ends_at = month.bounds(zone=known[0].zone)
    if since >= now:
        raise MonthAhead(month)
    until = min(ends_at, now)
    ids = [each.account_id for each in known]
    before, after = tx.histories.sums(ids, until=since), tx.histories.sums(ids, until=until)
    moved = tx.histories.sums(ids, since=since, until=until)
    used = tx.histories.used(ids, since=since, until=until)
    rolled = tx.days.of_accounts(ids, since=month.first, until=month.after.first)
    names = {each.site for each in known}
    return OwnerStatement(
        organisation=known[0].organisation,
        site=names.pop() if len(names) == 1 else "",
        zone=known[0].zone,
        currency=known[0].currency,
        month=month,
        since=since,
        until=until,
        is_over=ends_at <= now,
        lines=tuple(_lines(known, (before, moved, after), used, since=since, until=until)),
        held=tuple(_held(before, moved, after)),
        earned=_under(moved, _is_earned, sign=-1),
        borne=_under(moved, _is_borne, sign=1),
        owed=owed_of(before, after),
        suspense_minor=-_sum(each for each in after if each.code == SUSPENSE),
        vacant=tuple(_vacant(known, month, until=until)),
        feeders=tuple(_feeders(tx, known, month, since=since, until=until)),
        energy=tuple(_energy(known, rolled, month, until=until)),
    )


def _lines(
    known: Sequence[Tenancy],
    sums: tuple[Sequence[CodeSum], Sequence[CodeSum], Sequence[CodeSum]],
    used: Mapping[int, int],
    *,
    since: datetime,
    until: datetime,
) -> Iterator[AccountLine]:
    """Yield who had an account in the month, or money that moved; by building and place."""
    before, moved, after = (_by_account(each) for each in sums)
    for each in sorted(known, key=lambda each: (each.site, *_natural(each), each.opened_at)):
        account_id = each.account_id
        effects = dict.fromkeys(Effect, 0)
        for line in moved.get(account_id, ()):
            if line.code in CREDIT:
                effects[effect_of(line.kind)] -= line.amount_minor
        opening_minor, closing_minor = (_credit(when.get(account_id, ())) for when in (before, after))
        moved_minor = opening_minor + sum(effects.values())
        if moved_minor != closing_minor:
            raise DoesNotRoll(f"account {account_id}", moved_minor=moved_minor, ledger_minor=closing_minor)
        owed_minor = _sum(line for line in after.get(account_id, ()) if line.code == DEBT)
        is_here = _is_open(each, since, until) or any((opening_minor, *effects.values(), owed_minor))
        if each.kind not in BUYING or not is_here:
            continue
        yield AccountLine(
            tenancy=each,
            opening_minor=opening_minor,
            recharged_minor=effects[Effect.RECHARGED],
            adjusted_minor=effects[Effect.ADJUSTED],
            charged_minor=-effects[Effect.CHARGED],
            closing_minor=closing_minor,
            charged_wh=used.get(account_id, 0),
            owed_minor=owed_minor,
        )


def _held(before: Sequence[CodeSum], moved: Sequence[CodeSum], after: Sequence[CodeSum]) -> Iterator[Held]:
    for code in sorted({each.code for each in after if _is_held(each.code)}):
        moves: dict[Way, int] = {}
        for each in moved:
            if each.code == code:
                way = _WAY_OF.get(each.kind, Way.OTHER)
                moves[way] = moves.get(way, 0) + each.amount_minor
        opening_minor, closing_minor = (
            _sum(each for each in when if each.code == code) for when in (before, after)
        )
        if opening_minor + sum(moves.values()) != closing_minor:
            raise DoesNotRoll(
                code, moved_minor=opening_minor + sum(moves.values()), ledger_minor=closing_minor
            )
        yield Held(code=code, opening_minor=opening_minor, moves=moves, closing_minor=closing_minor)


def _vacant(known: Sequence[Tenancy], month: Month, *, until: datetime) -> Iterator[Vacant]:
    """Yield where somebody lived once, and nobody on some whole days of the month."""
    places: dict[tuple[int, str, str], list[Tenancy]] = {}
    for each in known:
        if each.kind is AccountKind.CUSTOMER:
            places.setdefault(each.where, []).append(each)
    for tenancies in places.values():
        first = tenancies[0]
        days = [bounds_of(day, zone=first.zone) for day in month.days()]
        empty = sum(
            min(each.opened_at for each in tenancies) < starts_at
            and ends_at <= until
            and not any(_is_open(each, starts_at, ends_at) for each in tenancies)
            for starts_at, ends_at in days
        )
        if empty:
            yield Vacant(site=first.site, building=first.building, place=first.place, days=empty)


def _energy(
    known: Sequence[Tenancy], rolled: Sequence[AccountDay], month: Month, *, until: datetime
) -> Iterator[SiteEnergy]:
    by_day = {(each.account_id, each.day): each for each in rolled}
    buying = [each for each in known if each.kind in BUYING]
    for day in month.days():
        starts_at, ends_at = bounds_of(day, zone=known[0].zone)
        there = [each.account_id for each in buying if _is_open(each, starts_at, ends_at)]
        if ends_at > until or not there:
            continue
        days = [by_day.get((account_id, day)) for account_id in there]
        told = [each for each in days if each is not None and each.used_wh is not None]
        used = [each.used_wh or 0 for each in told]
        yield SiteEnergy(
            day=day,
            used_wh=sum(used) if used else None,
            is_provisional=any(each.is_provisional for each in told),
            missing=len(there) - len(used),
        )


def _feeders(
    tx: Transaction, known: Sequence[Tenancy], month: Month, *, since: datetime, until: datetime
) -> Iterator[FeederMonth]:
    """Yield what each feeder and the meters behind it measured from the first midnight to the last."""
    names = {each.account_id: each for each in known if each.kind is AccountKind.FEEDER}
    for fitted in tx.histories.fitted(list(names), since=since, until=until):
        behind = [
            each.meter_id
            for each in tx.alarms.fed_by(fitted.meter_id)
            if each.started_at < until and (each.ended_at is None or each.ended_at > since)
        ]
        measured = _measured(tx, [fitted.meter_id, *behind], month, until=until)
        used = [measured[each] for each in behind]
        yield FeederMonth(
            site=names[fitted.account_id].site,
            name=names[fitted.account_id].name,
            fed_wh=measured[fitted.meter_id],
            used_wh=None if None in used else sum(each or 0 for each in used),
        )


def _measured(
    tx: Transaction, meter_ids: Sequence[int], month: Month, *, until: datetime
) -> dict[int, int | None]:
    """Return what registers rose by between the first and the last midnight of the month that are known."""
    opening = month.first - timedelta(days=1)  # a freeze is of the day that it ends
    frozen = tx.freezes.freezes_of(meter_ids, since=opening, until=month.after.first)
    edges: dict[int, dict[date, int | None]] = {}
    for each in frozen:
        is_known = each.at <= until and each.basis is not FreezeBasis.HELD
        edges.setdefault(each.meter_id, {})[each.day] = each.energy_wh if is_known else None
    last = max((day for days in edges.values() for day in days), default=opening)
    rises: dict[int, int | None] = {}
    for meter_id in meter_ids:
        days = edges.get(meter_id, {})
        start_wh, end_wh = days.get(opening), days.get(last)
        is_known = start_wh is not None and end_wh is not None and end_wh >= start_wh and last > opening
        rises[meter_id] = (end_wh or 0) - (start_wh or 0) if is_known else None
    return rises


def _under(sums: Sequence[CodeSum], wanted: Callable[[str], bool], *, sign: int) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for each in sums:
        if wanted(each.code):
            found[each.code] = found.get(each.code, 0) + sign * each.amount_minor
    return {code: found[code] for code in sorted(found) if found[code]}


def _is_open(tenancy: Tenancy, since: datetime, until: datetime) -> bool:
    return tenancy.opened_at < until and (tenancy.closed_at is None or tenancy.closed_at > since)


def _is_held(code: str) -> bool:
    return code == SAFE or code.startswith(cash(""))


def _is_earned(code: str) -> bool:
    return code in EARNED


def _is_borne(code: str) -> bool:
    return code in BORNE


def _natural(tenancy: Tenancy) -> tuple[str, int, str]:
    return tenancy.building, len(tenancy.place), tenancy.place


def _by_account(sums: Sequence[CodeSum]) -> dict[int, list[CodeSum]]:
    found: dict[int, list[CodeSum]] = {}
    for each in sums:
        found.setdefault(each.account_id, []).append(each)
    return found


def _credit(sums: Iterable[CodeSum]) -> int:
    return -_sum(each for each in sums if each.code in CREDIT)


def _sum(sums: Iterable[CodeSum]) -> int:
    return sum(each.amount_minor for each in sums)

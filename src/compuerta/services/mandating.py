"""Mandating: what an outpost may decide while the platform is away.

A mandate is an account as it stands: what it has, its open bill, its tariff, its policy, its holds. With it
the outpost charges and decides by the functions that the platform charges and decides by, so that the two
never disagree about the register at which credit ends. It is given only where this line is the one way to
the meter: otherwise the platform may be lighting by another road what the outpost would cut.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from compuerta.domain.party import AccountKind, CreditAuthority, Meter
from compuerta.domain.road import Way
from compuerta.domain.supply import HoldKind
from compuerta.services.outpost_port import Outpost
from compuerta.services.outposts import is_line_of
from compuerta.services.records import AccountView, EmergencyCredit, Endpoint, Hold
from compuerta.services.store_port import Store, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """One account as it stands, for whoever decides its supply alone."""

    view: AccountView
    holds: tuple[Hold, ...] = ()
    emergency: EmergencyCredit | None = None
    opened_here: bool = False  # by whoever has the mandate, so that it may be opened again

    def at(self, now: datetime) -> AccountView:
        """Return the account with the holds that are in force at an instant."""
        return replace(self.view, holds=frozenset(self._kinds(now)), hold_edge=self._edge(now))

    def _kinds(self, now: datetime) -> Iterable[HoldKind]:
        register_wh = self.view.holdings.register_wh or 0
        for hold in self.holds:
            is_used = hold.until_wh is not None and register_wh >= hold.until_wh
            if not is_used and hold.start <= now and (hold.end is None or now < hold.end):
                yield hold.kind

    def _edge(self, now: datetime) -> datetime | None:
        edges = (edge for hold in self.holds for edge in (hold.start, hold.end))
        return min((edge for edge in edges if edge is not None and edge > now), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A meter on a line of an outpost."""

    line: int
    meter: Meter
    way: Way
    zone: str | None  # None = it measures for nobody, and its clock is let be


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """All that an outpost knows: its meters, and the mandates for those that it may open."""

    outpost_id: str
    issued_at: datetime
    poll_ms: int
    cuts: bool
    mandate_h: int
    meters: tuple[Posted, ...] = ()
    mandates: Mapping[int, Mandate] = field(default_factory=dict)  # by meter

    def are_good(self, now: datetime) -> bool:
        """Tell whether relays may be opened by these: too old, too much is not known any more.

        A clock that is behind the platform's word is wrong, and nothing is decided by it.
        """
        return self.cuts and self.issued_at <= now <= self.issued_at + timedelta(hours=self.mandate_h)


def lines_of(ends: Iterable[Endpoint]) -> dict[str, dict[int, Endpoint]]:
    """Return the ends of outposts by outpost and line; an address that is neither is left out."""
    lines: dict[str, dict[int, Endpoint]] = {}
    for end in ends:
        outpost_id, _, line = end.address.rpartition("/")
        if outpost_id and line.isascii() and line.isdecimal() and int(line) > 0:
            lines.setdefault(outpost_id, {})[int(line)] = end
    return lines


def orders(
    store: Store, *, wanted: Mapping[str, Mapping[int, Endpoint]], poll_ms: int, now: datetime
) -> dict[str, Orders]:
    """Return the orders of these outposts, by the lines that each has."""
    with store.transaction() as tx:
        outposts, ways, zones = tx.outposts.outposts(), tx.roads.ways(), tx.zones()
        meters = {each.meter_id: each for each in tx.meters()}
        made = {}
        for outpost_id, lines in wanted.items():
            if outpost_id in outposts:
                own = {line: end for line, end in lines.items() if is_line_of(end, outposts[outpost_id])}
                posted = _posted(own, meters, ways, zones)
                made[outpost_id] = _orders(
                    tx, outposts[outpost_id], posted, ways=ways, poll_ms=poll_ms, now=now
                )
    return made


def _posted(
    lines: Mapping[int, Endpoint],
    meters: Mapping[int, Meter],
    ways: Mapping[int, tuple[Way, ...]],
    zones: Mapping[int, str],
) -> tuple[Posted, ...]:
    line_of = {end.endpoint_id: line for line, end in lines.items()}
    return tuple(
        Posted(line=line_of[way.endpoint_id], meter=meters[meter_id], way=way, zone=zones.get(meter_id))
        for meter_id, taken in sorted(ways.items())
        for way in taken
        if way.endpoint_id in line_of and meter_id in meters
    )


def _orders(
    tx: Transaction,
    outpost: Outpost,
    posted: tuple[Posted, ...],
    *,
    ways: Mapping[int, tuple[Way, ...]],
    poll_ms: int,
    now: datetime,
) -> Orders:
    alone = [
        each.meter.meter_id
        for each in posted
        if each.meter.credit_authority is CreditAuthority.PLATFORM and len(ways[each.meter.meter_id]) == 1
    ]
    return Orders(
        outpost_id=outpost.outpost_id,
        issued_at=now,
        poll_ms=poll_ms,
        cuts=outpost.cuts,
        mandate_h=outpost.mandate_h,
        meters=posted,
        mandates=_mandates(tx, alone, now=now),
    )


def _mandates(tx: Transaction, meter_ids: Iterable[int], *, now: datetime) -> dict[int, Mandate]:
    accounts = tx.accounts_of_meters(meter_ids)
    views = tx.look_at(accounts.values(), now=now)
    emergencies = tx.emergencies(accounts.values())
    holds: dict[int, list[Hold]] = {}
    for hold in tx.holds_of(accounts, at=now):
        holds.setdefault(hold.meter_id, []).append(hold)
    return {
        meter_id: Mandate(
            view=views[account_id],
            holds=tuple(holds.get(meter_id, ())),
            emergency=emergencies.get(account_id),
        )
        for meter_id, account_id in sorted(accounts.items())
        if account_id in views and _may_be_cut(views[account_id], meter_id)
    }


def _may_be_cut(view: AccountView, meter_id: int) -> bool:
    """Whether an account can run out of credit by the readings of one meter."""
    is_there = view.meter is not None and view.meter.meter_id == meter_id and view.snapshot is not None
    is_billed = view.schedule is not None and not view.by_intervals
    return is_there and is_billed and view.account.kind is not AccountKind.FEEDER

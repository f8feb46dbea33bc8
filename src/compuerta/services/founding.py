"""Founding: an organisation, its sites, and a building's supply points with meters and house accounts.

A building comes as a table of rows: all of them or none, and every fault is told with its row and field.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.naming import derived
from compuerta.domain.party import BEARERS, AccountKind, Bearer, CreditAuthority, RoadKind, require_meter_no
from compuerta.domain.tariff.components import Terms
from compuerta.services import moving, rollout
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.records import AccountOpening, Endpoint, MeterEntry, ProviderAccount, VersionState
from compuerta.services.rollout import Models
from compuerta.services.store_port import Store, Transaction

# More is brought in by several tables; a transaction of this size takes seconds.
ROWS_MAX = 20_000
FAULTS_TOLD_MAX = 20
NAMELESS = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRow:
    """A supply point with its meter, as a row of the table says it."""

    building: str
    floor: int | None
    place: str
    meter_no: str
    customer_no: str
    model: str
    credit_authority: CreditAuthority
    road: RoadKind
    endpoint_id: str
    address: str  # of the road's end, where it is new; "" = as its id
    baud: int | None
    tariff_id: int
    register_wh: int
    contracted_w: int | None
    bearer: Bearer | None = None  # of the road's end, where it is new; None = the usual one of its road
    unit_no: int | None = None  # on a Modbus line


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFault:
    """What is wrong in a row, and where."""

    row: int  # from 1, without the heading
    field: str
    reason: str
    code: str = ""  # the reason's stable name, for whoever tells it in another language


class SiteUnknown(Refused):
    """The organisation has no such site."""

    def __init__(self, site_id: int) -> None:
        super().__init__(f"there is no site {site_id} in this organisation")
        self.site_id = site_id


class RowsTooMany(Refused):
    """A table that is better brought in by parts."""

    def __init__(self, rows: int) -> None:
        super().__init__(f"{rows} rows are more than {ROWS_MAX}: bring them in by parts")


class RowsFaulty(Refused):
    """Rows that cannot be brought in; nothing was."""

    def __init__(self, faults: Sequence[RowFault]) -> None:
        shown = "; ".join(f"row {each.row}, {each.field}: {each.reason}" for each in faults[:FAULTS_TOLD_MAX])
        super().__init__(f"{len(faults)} faults, and nothing was written: {shown}")
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """How much was brought in."""

    places: int
    endpoints: int
    account_ids: tuple[int, ...] = ()  # of the places, in the order of their rows


def found_organisation(store: Store, name: str, *, live: bool = True) -> int:
    """Add an organisation; returns its number. One that is not live is on trial, for good.

    Its accounts at providers are test accounts, so that play money never becomes anybody's electricity.
    """
    with store.transaction() as tx:
        return tx.add_organisation(name, live=live)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteWish:
    """A building or compound to add, with the till that takes cash for it, if it is a new one."""

    organisation_id: int
    name: str
    zone: str
    currency: str
    till: str | None
    suspense_token: UUID


def found_site(store: Store, wish: SiteWish, *, now: datetime) -> int:
    """Add a site; with a till, money that cannot be placed there waits in the site's own suspense."""
    with store.transaction() as tx:
        site_id = tx.add_site(
            organisation_id=wish.organisation_id, name=wish.name, zone=wish.zone, currency=wish.currency
        )
        if wish.till is not None:
            suspense = AccountOpening(
                site_id=site_id,
                kind=AccountKind.SUSPENSE,
                name="Suspense",
                supply_point=NAMELESS,
                tariff_id=None,
                meter_id=None,
                pay_token=wish.suspense_token,
                opened_at=now,
            )
            tx.add_provider_account(
                ProviderAccount(
                    provider=wish.till,
                    organisation_id=wish.organisation_id,
                    kind="till",
                    suspense_account_id=tx.add_account(suspense),
                    live=tx.is_live(wish.organisation_id),
                )
            )
    return site_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacesWish:
    """A table of supply points to bring in; the id is the caller's, and names what is made of it."""

    founding_id: UUID
    organisation_id: int
    site_id: int
    rows: Sequence[PlaceRow]


def found_places(store: Store, wish: PlacesWish, *, models: Models, actor: Actor, now: datetime) -> Founded:
    """Bring in all supply points of a table, or none of them."""
    return moving.done(store, lambda tx: found_in(tx, wish, models=models, actor=actor, now=now))


def rehearse_places(
    store: Store, wish: PlacesWish, *, models: Models, actor: Actor, now: datetime
) -> Founded:
    """Return what a table would bring in; nothing of it stays."""
    return moving.rehearsed(store, lambda tx: found_in(tx, wish, models=models, actor=actor, now=now))


def found_in(tx: Transaction, wish: PlacesWish, *, models: Models, actor: Actor, now: datetime) -> Founded:
    """Bring in a table inside a transaction."""
    require_reason(actor)
    if len(wish.rows) > ROWS_MAX:
        raise RowsTooMany(len(wish.rows))
    currency = tx.occupancy.site_of(organisation_id=wish.organisation_id, site_id=wish.site_id)
    if currency is None:
        raise SiteUnknown(wish.site_id)
    ends = {each.endpoint_id: each for each in tx.endpoints()}
    faults = [
        *_repeated(tx, wish),
        *_unfit(tx, wish, models=models, currency=currency),
        *_misled(tx, wish, ends),
    ]
    if faults:
        raise RowsFaulty(sorted(faults, key=lambda fault: (fault.row, fault.field)))
    new = {row.endpoint_id: row for row in wish.rows if row.endpoint_id not in ends}
    for row in new.values():
        tx.add_endpoint(_endpoint(row, wish.organisation_id))
    accounts = [_place(tx, row, wish, now=now) for row in wish.rows]
    views = tx.look_at(accounts, now=now).values()
    goings = [going for view in views for going in rollout.onward(view, now=now)]
    rollout.send(tx, goings, models=models, by_hand=True, now=now)
    act = Act(act_id=wish.founding_id, what="bring in places", after=f"{len(accounts)} places")
    subject = f"site {wish.site_id}"
    tx.put_audit([entry_about(subject, actor, act, organisation_id=wish.organisation_id, now=now)])
    return Founded(places=len(accounts), endpoints=len(new), account_ids=tuple(accounts))


def _place(tx: Transaction, row: PlaceRow, wish: PlacesWish, *, now: datetime) -> int:
    meter_id = tx.add_meter(
        MeterEntry(
            organisation_id=wish.organisation_id,
            meter_no=row.meter_no,
            model=row.model,
            credit_authority=row.credit_authority,
            customer_no=row.customer_no,
            endpoint_id=row.endpoint_id,
            road=row.road,
            unit_no=row.unit_no,
        )
    )
    return tx.add_account(
        AccountOpening(
            site_id=wish.site_id,
            kind=AccountKind.HOUSE,
            name=moving.HOUSE_NAME,
            supply_point=row.place,
            building=row.building,
            floor=row.floor,
            tariff_id=row.tariff_id,
            meter_id=meter_id,
            pay_token=derived(wish.founding_id, f"{row.building}/{row.place}"),
            opened_at=now,
            register_wh=row.register_wh,
            terms=Terms(contracted_w=row.contracted_w),
        )
    )


def _endpoint(row: PlaceRow, organisation_id: int) -> Endpoint:
    return Endpoint(
        endpoint_id=row.endpoint_id,
        organisation_id=organisation_id,
        road=row.road,
        bearer=row.bearer or BEARERS[row.road][0],
        address=row.address or row.endpoint_id,
        baud=row.baud,
    )


def _repeated(tx: Transaction, wish: PlacesWish) -> Iterator[RowFault]:
    """Tell of places and meters that are there already, or twice in the table."""
    places = {(each.building, each.name) for each in tx.occupancy.supply_points(wish.site_id)}
    meters: set[str] = set()
    taken = tx.commissions.taken(row.meter_no for row in wish.rows)
    for number, row in enumerate(wish.rows, start=1):
        if not row.place or row.place == NAMELESS:
            yield RowFault(
                row=number, field="place", reason="write how people call the place", code="place_missing"
            )
        if (row.building, row.place) in places:
            yield RowFault(
                row=number, field="place", reason=f"{row.place} is there already", code="there_already"
            )
        if row.meter_no in meters or tx.occupancy.meter_by_no(row.meter_no) is not None:
            yield RowFault(
                row=number,
                field="meter_no",
                reason=f"meter {row.meter_no} is there already",
                code="there_already",
            )
        elif row.meter_no in taken:
            yield RowFault(
                row=number, field="meter_no", reason=f"meter {row.meter_no} is somebody else's", code="theirs"
            )
        places.add((row.building, row.place))
        meters.add(row.meter_no)


def _unfit(tx: Transaction, wish: PlacesWish, *, models: Models, currency: str) -> Iterator[RowFault]:
    """Tell of numbers that are none, and of models and tariffs that are not known."""
    tariffs = {each: _is_usable(tx, wish, each, currency) for each in {row.tariff_id for row in wish.rows}}
    for number, row in enumerate(wish.rows, start=1):
        for field, text in (("meter_no", row.meter_no), ("customer_no", row.customer_no)):
            try:
                require_meter_no(text)
            except Refused as refused:
                yield RowFault(row=number, field=field, reason=str(refused), code="malformed")
        if row.model not in models:
            yield RowFault(
                row=number,
                field="model",
                reason=f"{row.model} is no model that is known",
                code="model_unknown",
            )
        if not tariffs[row.tariff_id]:
            yield RowFault(
                row=number,
                field="tariff_id",
                reason="no approved tariff in the site's currency",
                code="tariff_unfit",
            )
        if row.register_wh < 0:
            yield RowFault(row=number, field="register_kwh", reason="is below zero", code="below_zero")


def _is_usable(tx: Transaction, wish: PlacesWish, tariff_id: int, currency: str) -> bool:
    line = tx.tariff(tariff_id)
    if line is None or (line.organisation_id, line.currency) != (wish.organisation_id, currency):
        return False
    return any(each.state is VersionState.APPROVED for each in tx.versions([tariff_id]))


def _misled(tx: Transaction, wish: PlacesWish, ends: Mapping[str, Endpoint]) -> Iterator[RowFault]:
    """Tell of roads that lead elsewhere."""
    named = {row.address or row.endpoint_id for row in wish.rows} | {row.endpoint_id for row in wish.rows}
    taken = tx.commissions.ends_taken(named)
    for number, row in enumerate(wish.rows, start=1):
        known = ends.get(row.endpoint_id)
        if not row.endpoint_id:
            yield RowFault(
                row=number,
                field="endpoint_id",
                reason="say by which module or bus it is reached",
                code="end_missing",
            )
        elif known is not None and (known.organisation_id, known.road) != (wish.organisation_id, row.road):
            yield RowFault(
                row=number,
                field="endpoint_id",
                reason="is another road, or somebody else's",
                code="end_elsewhere",
            )
        elif known is None and {row.endpoint_id, row.address} & taken:
            yield RowFault(
                row=number,
                field="endpoint_id",
                reason="another end has this name or address",
                code="end_taken",
            )
        elif known is None and row.bearer not in (None, *BEARERS[row.road]):
            yield RowFault(
                row=number, field="bearer", reason=f"does not carry {row.road.value}", code="bearer_unfit"
            )
        elif known is None and row.road is RoadKind.RS485 and (not row.address or row.baud is None):
            yield RowFault(
                row=number,
                field="address",
                reason="a new bus needs its device path and baud",
                code="bus_unsaid",
            )

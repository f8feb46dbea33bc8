"""Rerouting: by which ends of roads, and in what order, a meter is reached; with a name and a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.party import Bearer, Meter
from compuerta.domain.road import Way
from compuerta.drivers.model import Model
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.records import Endpoint
from compuerta.services.store_port import Store, Transaction

WAYS_MAX: Final = 10  # its own end and nine more, as the schema keeps them
MODBUS: Final = "modbus"


class Unfit(Enum):
    """Why ways cannot be settled."""

    COUNT = "there must be one to ten ways"
    TWICE = "an end is named twice"
    UNKNOWN = "there is no such end"
    ROAD = "the meter's model does not speak by the road of an end"
    # Its commands have no "valid until": what a network keeps and brings late would be obeyed.
    STORED = "a Modbus meter cannot be reached by an operator's platform"


class WaysUnfit(Refused):
    """A meter cannot be reached by these ends in this order."""

    def __init__(self, reason: Unfit, endpoint_id: str = "") -> None:
        super().__init__(f"ways{f' ({endpoint_id})' if endpoint_id else ''}: {reason.value}")
        self.reason = reason
        self.endpoint_id = endpoint_id


class MeterUnknown(Refused):
    """The organisation has no such meter."""

    def __init__(self, meter_id: int) -> None:
        super().__init__("there is no such meter")
        self.meter_id = meter_id


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysWish:
    """All ways to a meter, in their order; the first becomes its own end."""

    organisation_id: int
    meter_id: int
    endpoint_ids: tuple[str, ...]
    act_id: UUID


def settle_ways(
    store: Store, wish: WaysWish, *, models: Mapping[str, Model], actor: Actor, now: datetime
) -> tuple[Way, ...]:
    """Settle by which ways a meter is reached, and return them.

    Gateways learn of it within seconds; what is in the air by another way is ended as it began.
    """
    require_reason(actor)
    with store.transaction() as tx:
        meter = _meter(tx, wish)
        ends = {end.endpoint_id: end for end in tx.endpoints() if end.organisation_id == wish.organisation_id}
        _refuse(wish, ends, models[meter.model])
        before = tx.roads.ways([meter.meter_id])[meter.meter_id]
        tx.roads.lead(meter.meter_id, wish.endpoint_ids[0])
        tx.roads.put_ways({meter.meter_id: wish.endpoint_ids[1:]})
        act = Act(
            act_id=wish.act_id,
            what="settle ways",
            before=", ".join(way.endpoint_id for way in before),
            after=", ".join(wish.endpoint_ids),
        )
        # Said of its account where it has one, so that whoever looks at the account finds it.
        account_id = tx.accounts_of_meters([meter.meter_id]).get(meter.meter_id)
        subject = f"meter {meter.meter_no}" if account_id is None else f"account {account_id}"
        tx.put_audit([entry_about(subject, actor, act, organisation_id=wish.organisation_id, now=now)])
        return tx.roads.ways([meter.meter_id])[meter.meter_id]


def _meter(tx: Transaction, wish: WaysWish) -> Meter:
    wanted = (wish.organisation_id, wish.meter_id)
    found = next((each for each in tx.meters() if (each.organisation_id, each.meter_id) == wanted), None)
    if found is None:
        raise MeterUnknown(wish.meter_id)
    return found


def _refuse(wish: WaysWish, ends: Mapping[str, Endpoint], model: Model) -> None:
    if not 0 < len(wish.endpoint_ids) <= WAYS_MAX:
        raise WaysUnfit(Unfit.COUNT)
    if len(set(wish.endpoint_ids)) < len(wish.endpoint_ids):
        raise WaysUnfit(Unfit.TWICE)
    for endpoint_id in wish.endpoint_ids:
        end = ends.get(endpoint_id)
        if end is None:
            raise WaysUnfit(Unfit.UNKNOWN, endpoint_id)
        if end.road.value not in model.roads:
            raise WaysUnfit(Unfit.ROAD, endpoint_id)
        if end.bearer is Bearer.OPERATOR and model.protocol == MODBUS:
            raise WaysUnfit(Unfit.STORED, endpoint_id)

"""Surveying: who is on a line, asked for as a row and answered by the gateway that holds the line.

Nothing is asked from memory: a gateway that dies leaves a row whose lease runs out, and another one, or the
same again, begins anew. Looking twice changes nothing; a new number for a meter is looked for before it is
written.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from compuerta.domain.errors import Refused
from compuerta.domain.party import require_meter_no
from compuerta.drivers.model import Model, Quantity
from compuerta.drivers.searching import FoundMeter
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.commission_port import AT_WORK, Finding, Survey, SurveyState
from compuerta.services.store_port import Store, Transaction

LEASE: Final = timedelta(seconds=30)  # a gateway tells how far it is every few seconds
DLT645: Final = "dlt645"
MODBUS: Final = "modbus"
PROTOCOLS: Final = (DLT645, MODBUS)
# No register, but a question of its own: a meter that counts purchases does not show it among its registers.
_NO_REGISTERS: Final = frozenset({Quantity.PURCHASE_NO})


class EndUnknown(Refused):
    """The organisation has no such line."""

    def __init__(self, endpoint_id: str) -> None:
        super().__init__(f"there is no road end {endpoint_id!r} in this organisation")
        self.endpoint_id = endpoint_id


class LineBusy(Refused):
    """Somebody is looking at this line already."""

    def __init__(self, endpoint_id: str) -> None:
        super().__init__(f"a search on {endpoint_id!r} is under way; wait for its end")
        self.endpoint_id = endpoint_id


class ProtocolNotSearched(Refused):
    """Nobody can be found on a line by this protocol."""

    def __init__(self, protocol: str) -> None:
        super().__init__(f"{protocol!r}: meters are searched by {', '.join(PROTOCOLS)}")


class NotAlone(Refused):
    """A new number for one meter would be taken by all that share its line."""

    def __init__(self, endpoint_id: str, meters: int) -> None:
        super().__init__(f"{meters} meters are entered on {endpoint_id!r}: connect the new one alone")
        self.endpoint_id = endpoint_id


class NumberTaken(Refused):
    """A number that another meter has."""

    def __init__(self, meter_no: str) -> None:
        super().__init__(f"meter {meter_no} is entered already; no two meters may have one number")
        self.meter_no = meter_no


@dataclass(frozen=True, slots=True, kw_only=True)
class Renumber:
    """Give the only meter on a line another number."""

    meter_no: str
    new_no: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyWish:
    """A line to look at; the id is the caller's, and makes asking twice harmless."""

    survey_id: UUID
    organisation_id: int
    endpoint_id: str
    protocol: str = DLT645
    renumber: Renumber | None = None


def ask(store: Store, wish: SurveyWish, *, actor: Actor, now: datetime) -> None:
    """Ask who is on a line; refused while a search of it is under way."""
    require_reason(actor)
    if wish.protocol not in PROTOCOLS:
        raise ProtocolNotSearched(wish.protocol)
    with store.transaction() as tx:
        known = tx.commissions.survey(wish.survey_id)
        if known is not None and known.endpoint_id == wish.endpoint_id:
            return
        _require_end(tx, wish)
        if wish.renumber is not None:
            _require_renumberable(tx, wish.endpoint_id, wish.renumber)
        survey = Survey(
            survey_id=wish.survey_id,
            organisation_id=wish.organisation_id,
            endpoint_id=wish.endpoint_id,
            protocol=wish.protocol,
            meter_no=None if wish.renumber is None else wish.renumber.meter_no,
            new_no=None if wish.renumber is None else wish.renumber.new_no,
            asked_by=actor.who,
            asked_at=now,
        )
        if not tx.commissions.ask(survey):
            raise LineBusy(wish.endpoint_id)
        what = "search a line" if wish.renumber is None else "renumber a meter"
        told = "" if wish.renumber is None else f"{wish.renumber.meter_no} to {wish.renumber.new_no}"
        act = Act(act_id=wish.survey_id, what=what, after=told)
        subject = f"road end {wish.endpoint_id}"
        tx.put_audit([entry_about(subject, actor, act, organisation_id=wish.organisation_id, now=now)])


def _require_end(tx: Transaction, wish: SurveyWish) -> None:
    ours = {each.endpoint_id for each in tx.endpoints() if each.organisation_id == wish.organisation_id}
    if wish.endpoint_id not in ours:
        raise EndUnknown(wish.endpoint_id)


def _require_renumberable(tx: Transaction, endpoint_id: str, wish: Renumber) -> None:
    for number in (wish.meter_no, wish.new_no):
        require_meter_no(number)
    all_ways = tx.roads.ways().values()
    sharing = [ways for ways in all_ways if any(way.endpoint_id == endpoint_id for way in ways)]
    if sharing:
        raise NotAlone(endpoint_id, len(sharing))
    if tx.commissions.taken([wish.new_no]):
        raise NumberTaken(wish.new_no)


def claim(store: Store, ends: Collection[str], *, gateway: str, now: datetime) -> list[Survey]:
    """Take the surveys that are due on these lines; the lease is kept by telling how far they are."""
    if not ends:
        return []
    with store.transaction() as tx:
        return tx.commissions.claim_surveys(ends, gateway=gateway, now=now, until=now + LEASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a survey is, as the gateway that carries it out tells."""

    survey_id: UUID
    gateway: str
    probes: int
    found: Sequence[FoundMeter]
    ended: SurveyState | None = None
    reason: str = ""


def tell(store: Store, progress: Progress, *, models: Mapping[str, Model], now: datetime) -> bool:
    """Write how far a survey is; False where another gateway has it by now, or it is over."""
    with store.transaction() as tx:
        survey = tx.commissions.survey(progress.survey_id)
        if survey is None or survey.gateway != progress.gateway or survey.state not in AT_WORK:
            return False
        tx.commissions.put_findings([_finding(survey, each, models, now=now) for each in progress.found])
        ended = progress.ended
        tx.commissions.save_survey(
            replace(
                survey,
                probes=progress.probes,
                state=survey.state if ended is None else ended,
                lease_until=now + LEASE if ended is None else None,
                ended_at=None if ended is None else now,
                reason=progress.reason,
            )
        )
    return True


def _finding(survey: Survey, found: FoundMeter, models: Mapping[str, Model], *, now: datetime) -> Finding:
    return Finding(
        survey_id=survey.survey_id,
        organisation_id=survey.organisation_id,
        address=found.meter_no,
        found_at=now,
        twice=found.is_twice,
        models=found.models or tuple(candidates(models.values(), found.registers)),
        shows=found.energy_wh,
        clock=found.clock,
    )


def registers_of(model: Model) -> frozenset[int]:
    """Return the registers by which a model can be told from others."""
    return frozenset(each for what, each in model.registers.items() if what not in _NO_REGISTERS)


def candidates(models: Iterable[Model], registers: frozenset[int]) -> list[str]:
    """Return the models that know most of what a meter answers, and nothing that it does not.

    What no register tells, such as how the relay is closed, is for a person to choose.
    """
    known = {each.name: registers_of(each) for each in models}
    fitting = {name: of_it for name, of_it in known.items() if set() < of_it <= registers}
    most = max(map(len, fitting.values()), default=0)
    return sorted(name for name, of_it in fitting.items() if len(of_it) == most)

"""Accounts that change their tariff: what bills them now and next, what would fit, and the change itself."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import groupby
from types import MappingProxyType
from uuid import UUID

from django.utils.translation import gettext as _

from compuerta.apps import wiring
from compuerta.apps.console import histories, screens, tariff_fits, tariff_reads, work
from compuerta.apps.console.tariff_reads import VersionRow
from compuerta.domain.errors import CompuertaError, Refused
from compuerta.domain.naming import derived
from compuerta.domain.party import zone_of
from compuerta.domain.tariff.checking import TariffFaulty
from compuerta.domain.tariff.civil import civil_us, day_start_us, from_us, to_us
from compuerta.domain.tariff.components import Scale, Terms
from compuerta.domain.tariff.schedule import Version, in_force
from compuerta.domain.tariff.tally import cycle_of
from compuerta.services import acting, tariffing
from compuerta.services.acting import Actor
from compuerta.services.records import AccountView, Assignment
from compuerta.services.rollout import Fitter, Going, MetersMisfit, Takeover

PERSONS_MAX = 99
CONTRACTED_W_MAX = 100_000_000
_BY_PERSONS, _BY_POWER = (Scale.PERSON,), (Scale.KW, Scale.KW_DAY)


class MomentPassed(Refused):
    """A change from a moment that is over: what was used is used at the prices of then."""

    def __init__(self, starts_at: datetime) -> None:
        super().__init__(f"{starts_at.isoformat()} is over: choose a later moment")
        self.starts_at = starts_at


class MomentTaken(Refused):
    """An account has a change at that moment already, and a change that is written down stays."""

    def __init__(self, starts_at: datetime) -> None:
        super().__init__(f"there is a change at {starts_at.isoformat()} already")
        self.starts_at = starts_at


class FieldMalformed(Refused):
    """What was typed into a field of the form is not what it asks for."""

    def __init__(self, place: str) -> None:
        super().__init__(f"{place} cannot be read")
        self.place = place


# What there is to choose.


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A tariff that accounts can change to, by its approved versions."""

    tariff_id: int
    name: str
    currency: str
    versions: tuple[Version, ...]
    asks_persons: bool
    asks_power: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A tariff, and whether an account's meter could deduct by it."""

    line: Line
    is_current: bool
    by_platform: bool
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """By what an account is billed from an instant on."""

    since: datetime
    version: Version
    is_now: bool


def lines(organisation_id: int, *, now: datetime) -> list[Line]:
    """Return the tariffs that have an approved version, by name."""
    found = tariff_reads.versions(organisation_id, now=now)
    by_tariff = groupby(found, key=lambda row: row.tariff_id)
    return [
        _line(rows)
        for _id, each in by_tariff
        if (rows := [row for row in each if row.stands in tariff_reads.APPROVED])
    ]


def _line(rows: Sequence[VersionRow]) -> Line:
    live = [tariff_reads.to_version(row).tariff.energy.steps for row in rows if row.stands != "replaced"]
    return Line(
        tariff_id=rows[0].tariff_id,
        name=rows[0].name,
        currency=rows[0].currency,
        versions=tuple(tariff_reads.to_version(row) for row in rows),
        asks_persons=any(steps.scale in _BY_PERSONS or steps.household_persons for steps in live),
        asks_power=any(steps.scale in _BY_POWER for steps in live),
    )


def views(account_ids: Collection[int], *, now: datetime) -> Mapping[int, AccountView]:
    """Return accounts as decisions see them."""
    with work.store() as store, store.transaction() as tx:
        return tx.look_at(account_ids, now=now)


def of_account(account_id: int, *, now: datetime) -> list[Reign]:
    """Return by what an account is billed now, and what follows."""
    return reigns(views([account_id], now=now)[account_id], now=now)


def reigns(view: AccountView, *, now: datetime) -> list[Reign]:
    """Return by what an account is billed now, and what follows; nothing where it buys nothing."""
    entries = [] if view.schedule is None else list(view.schedule.entries())
    ends = [start for start, _version in entries[1:]]
    return [
        Reign(since=max(start, view.account.period.start), version=version, is_now=start <= now or not place)
        for place, (start, version) in enumerate(entries)
        if place >= len(ends) or ends[place] > now
    ]


def next_bill(view: AccountView, *, now: datetime) -> datetime:
    """Return when an account's next bill begins, by the wall clock of its site."""
    assert view.schedule is not None
    schedule, at_us = view.schedule, to_us(now)
    cycle = cycle_of(schedule.version_at(at_us).tariff, at_us, schedule=schedule)
    return from_us(day_start_us(cycle.end, zone=schedule.zone)).astimezone(schedule.zone).replace(tzinfo=None)


def choices(view: AccountView, known: Sequence[Line], *, at: datetime, fitter: Fitter) -> list[Choice]:
    """Return the tariffs of an account's currency, and why its meter could not go over to one then."""
    assert view.schedule is not None
    before = view.schedule.version_at(to_us(at) - 1)
    made = []
    for line in known:
        if line.currency != view.account.currency:
            continue
        version = in_force(line.versions, zone=view.account.zone).version_at(to_us(at))
        going = Going(
            view=view, takeover=Takeover(at=at, version=version, before=before), terms=view.terms_at(at)
        )
        misfit = fitter.misfit(going)
        reasons = () if misfit is None else tuple(each.reason for each in misfit.misfits)
        made.append(
            Choice(
                line=line,
                is_current=line.tariff_id == before.tariff_id,
                by_platform=not view.credit_in_meter,
                reasons=tariff_fits.told(reasons),
            )
        )
    return made


# What was asked for.


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a form asks for; what it says of an account's contract stands in fields named for the account."""

    starts_at: datetime  # the wall clock of each site
    by_hand: bool
    typed: Mapping[str, str]


def wish(posted: Mapping[str, str]) -> Wish:
    """Return what a form asks for; raises `FieldMalformed`."""
    try:
        starts_at = datetime.fromisoformat(posted.get("starts_at", "")).replace(tzinfo=None)
        if not 1970 < starts_at.year < 9999:
            raise ValueError
    except ValueError:
        raise FieldMalformed("starts_at") from None
    return Wish(starts_at=starts_at, by_hand="by_hand" in posted, typed=posted)


def instant(starts_at: datetime, *, zone: str) -> datetime:
    """Return the instant of a site's wall clock."""
    return from_us(civil_us(starts_at, zone=zone_of(zone)))


def move(view: AccountView, line: Line, asked: Wish, *, actor: Actor, form_id: UUID) -> None:
    """Bill one account by another tariff from a moment to come; the same form moves it once."""
    account, now = view.account, wiring.now()
    act_id = derived(form_id, f"move account {account.account_id}")
    if histories.was_done(account.organisation_id, act_id):
        return
    starts_at = instant(asked.starts_at, zone=account.zone)
    if starts_at <= now:
        raise MomentPassed(starts_at)
    if tariff_reads.is_assigned(account.account_id, starts_at):
        raise MomentTaken(starts_at)
    assignment = Assignment(
        account_id=account.account_id,
        starts_at=starts_at,
        tariff_id=line.tariff_id,
        terms=_terms(view, line, asked, at=starts_at),
    )
    work.run(
        lambda store: tariffing.assign(
            store,
            assignment,
            actor=actor,
            act_id=act_id,
            models=tariff_fits.models(),
            now=now,
            by_hand=asked.by_hand,
        )
    )


def _terms(view: AccountView, line: Line, asked: Wish, *, at: datetime) -> Terms:
    """Return the contract's terms; what the tariff does not ask for stays as it is."""
    terms, suffix = view.terms_at(at), f"_{view.account.account_id}"
    if line.asks_persons:
        persons = _typed(asked.typed, "persons", suffix, most=PERSONS_MAX, decimals=0)
        terms = replace(terms, persons=persons)
    if line.asks_power:
        contracted_w = _typed(asked.typed, "contracted_kw", suffix, most=CONTRACTED_W_MAX, decimals=3)
        terms = replace(terms, contracted_w=contracted_w)
    return terms


def _typed(typed: Mapping[str, str], name: str, suffix: str, *, most: int, decimals: int) -> int:
    """Return what stands in a field, scaled by so many decimals."""
    try:
        value = Decimal(typed.get(name + suffix, "").strip().replace(",", ".")).scaleb(decimals)
        if value != value.to_integral_value() or not 0 < value <= most:
            raise FieldMalformed(name)
    except InvalidOperation:
        raise FieldMalformed(name) from None
    return int(value)


# What is said where it was refused.


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A refusal in the reader's language, at the place of the form that can be put right."""

    place: str  # tariff, starts_at, persons, contracted_kw, why; empty where it is none of them
    reasons: Sequence[str]


def told(error: CompuertaError, *, zone: str) -> Told:
    """Return how a refused change is told; instants by the wall clock of the account's site."""
    match error:
        case FieldMalformed():
            return Told(place=error.place, reasons=[_FIELDS[error.place]()])
        case MomentPassed():
            return Told(place="starts_at", reasons=[_("This moment is over. Choose a later one.")])
        case MomentTaken():
            return Told(
                place="starts_at", reasons=[_("There is a change at this moment already. Choose another.")]
            )
        case tariffing.PastIsRated():
            text = _("Use is charged up to %(at)s already. Choose a later moment.")
            return Told(place="starts_at", reasons=[text % {"at": _clock(error.rated_until, zone)}])
        case tariffing.TermsMidBill():
            text = _("Persons and contracted power change where a bill begins, such as %(at)s.")
            return Told(place="starts_at", reasons=[text % {"at": _clock(error.cycle_start, zone)}])
        case MetersMisfit():
            misfits = [each.reason for meter in error.meters for each in meter.misfits]
            return Told(place="tariff", reasons=tariff_fits.told(misfits))
        case TariffFaulty() | tariffing.TariffNotApproved() | tariffing.CurrencyDiffers():
            return Told(place="tariff", reasons=[screens.told(error)])
        case acting.ReasonMissing():
            return Told(place="why", reasons=[screens.told(error)])
        case _:
            return Told(place="", reasons=[screens.told(error)])


_FIELDS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "tariff": lambda: _("Choose a tariff."),
        "account": lambda: _("Choose who moves."),
        "starts_at": lambda: _("Write a day and a time."),
        "persons": lambda: _("Write how many persons live there: 1 to %(most)s.") % {"most": PERSONS_MAX},
        "contracted_kw": lambda: _("Write the contracted power in kW, such as 5.5."),
    }
)


def _clock(at: datetime, zone: str) -> str:
    return f"{at.astimezone(zone_of(zone)):%Y-%m-%d %H:%M}"

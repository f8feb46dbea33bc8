"""How the forms of moving become moves: what was typed, parsed by its field."""

from compuerta.apps.console import amounts, fields
from compuerta.apps.console.fields import FieldOdd, Form
from compuerta.apps.console.move_reads import Subject
from compuerta.domain.contact import Channel, Language
from compuerta.domain.money import AmountMalformed
from compuerta.domain.party import BEARERS, CreditAuthority, RoadKind
from compuerta.domain.tariff.components import Terms
from compuerta.services.exchanging import Exchange
from compuerta.services.moving import Rest, Shown, Steps
from compuerta.services.moving_in import Credit, MoveIn, Reached
from compuerta.services.moving_out import MoveOut
from compuerta.services.records import Endpoint, MeterEntry
from compuerta.services.swapping import MeterSwap


def move_in(form: Form, at: Subject) -> MoveIn:
    """Read who comes, and on what terms."""
    persons = fields.whole(form, "persons")
    return MoveIn(
        account_id=at.account_id,
        name=form.get("name", ""),
        shown=_shown(form, "register", at.rates),
        steps=_STEPS.get(form.get("steps", "")),
        deposit_minor=_money(form, "deposit", at) or 0,
        fee_minor=_money(form, "fee", at) or 0,
        credit=_CREDITS.get(form.get("credit", ""), Credit.PAID),
        stays_off="stays_off" in form,
        terms=Terms(persons=persons or None),
        reached=_reached(form),
    )


def move_out(form: Form, at: Subject) -> MoveOut:
    """Read how somebody leaves."""
    return MoveOut(
        account_id=at.account_id,
        shown=_shown(form, "register", at.rates),
        rest=_RESTS.get(form.get("rest", ""), Rest.CASH),
        withheld_minor=_money(form, "withheld", at) or 0,
        keeps_power="keeps_power" in form,
    )


def exchange(form: Form, at: Subject) -> Exchange:
    """Read with whom somebody changes places."""
    other = fields.whole(form, "other")
    if other is None:
        raise FieldOdd("other")
    return Exchange(
        account_id=at.account_id,
        other_account_id=other,
        shown=_shown(form, "register", 0),
        other_shown=_shown(form, "other_register", 0),
        rest=_RESTS.get(form.get("rest", ""), Rest.CASH),
    )


def swap(form: Form, at: Subject, *, organisation_id: int) -> MeterSwap:
    """Read what an installer has read off both meters."""
    module = form.get("module", "").strip()
    meter_no = form.get("meter_no", "").strip()
    road = RoadKind(at.road)
    brings = bool(module) and module != at.endpoint_id
    return MeterSwap(
        account_id=at.account_id,
        new_meter=MeterEntry(
            organisation_id=organisation_id,
            meter_no=meter_no,
            model=form.get("model", ""),
            credit_authority=CreditAuthority(_one_of(form, "authority", at.credit_authority)),
            customer_no=form.get("customer_no", "").strip() or meter_no,
            endpoint_id=module or at.endpoint_id,
            road=road,
        ),
        closing=_shown(form, "register", at.rates),
        opening=Shown(register_wh=fields.energy_wh(form, "opening") or 0),
        display_minor=_money(form, "display", at),
        purchase_no=fields.whole(form, "purchase_no"),
        new_purchase_no=fields.whole(form, "new_purchase_no") or 0,
        new_module=(
            Endpoint(
                endpoint_id=module,
                organisation_id=organisation_id,
                road=road,
                bearer=BEARERS[road][0],
                address=module,
            )
            if brings
            else None
        ),
        dark="dark" in form,
    )


_STEPS = {each.value: each for each in Steps}
_CREDITS = {each.value: each for each in Credit}
_RESTS = {each.value: each for each in Rest}


def _one_of(form: Form, field: str, otherwise: str) -> str:
    chosen = form.get(field, "")
    return chosen if chosen in {each.value for each in CreditAuthority} else otherwise


def _shown(form: Form, field: str, rates: int) -> Shown:
    by_rate = [fields.energy_wh(form, f"{field}_{number}") for number in range(1, rates + 1)]
    known = [each for each in by_rate if each is not None]
    if known and len(known) < rates:
        raise FieldOdd(field)
    return Shown(register_wh=fields.energy_wh(form, field), rates_wh=tuple(known) if known else None)


def _money(form: Form, field: str, at: Subject) -> int | None:
    text = form.get(field, "").strip()
    if not text:
        return None
    try:
        return amounts.typed(text, currency=at.currency)
    except AmountMalformed:
        raise FieldOdd(field) from None


def _reached(form: Form) -> Reached | None:
    address = form.get("address", "").strip()
    if not address:
        return None
    try:
        return Reached(
            channel=Channel(form.get("channel", "")),
            address=address,
            language=Language(form.get("language", "")),
        )
    except ValueError:
        raise FieldOdd("channel") from None

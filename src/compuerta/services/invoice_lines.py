"""Invoice lines: what a month's postings have earned, told by the tariff's items, each with its tax.

The lines of use are made again from the bill's opening and its uses, as every explanation is. What was earned
otherwise, such as a fee on a recharge or a charge that was undone, is a line of its code: so that an invoice
comes to what the books have earned in its month, to the last minor unit.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Final

from compuerta.domain import ledger
from compuerta.domain.money import minor_digits
from compuerta.domain.tariff.bill import Bill, Unit
from compuerta.domain.tariff.components import Account, Percent, Tariff
from compuerta.domain.tariff.explaining import Move, explain
from compuerta.domain.tariff.packing import unpacked
from compuerta.services import charging
from compuerta.services.invoice_port import BilledUse, Earned
from compuerta.services.records import AccountView, LoadDay
from compuerta.wire.ubl.writing import Category, Line, Tax, totals_of

NOT_TAXED: Final = "Not taxed"
_DECIMALS: Final = 8  # of quantities and prices: what exact fractions are rounded to
_NO_RATE: Final = Decimal(0)
_PPM_PER_PERCENT: Final = 10_000
_ONE: Final = "C62"
# UN/ECE Recommendation 20.
_UNITS: Final[Mapping[Unit, tuple[str, int]]] = {
    Unit.WH: ("KWH", 1_000),
    Unit.DAY: ("DAY", 1),
    Unit.MONTH: ("MON", 1),
    Unit.CYCLE: (_ONE, 1),
    Unit.QUARTER: ("QAN", 1),
    Unit.YEAR: ("ANN", 1),
    Unit.W: ("KWT", 1_000),
}
_NAMES: Final[Mapping[str, str]] = {
    ledger.REVENUE_ENERGY: "Energy",
    ledger.REVENUE_FIXED: "Standing charge",
    ledger.REVENUE_DEMAND: "Demand",
    ledger.REVENUE_MINIMUM: "Minimum charge",
    ledger.FEE: "Fee",
    ledger.TAX: "Tax",
    ledger.LEVY: "Levy",
    ledger.SUBSIDY: "Subsidy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an invoice tells: lines without tax, and taxes; together what was earned."""

    lines: tuple[Line, ...]
    taxes: tuple[Tax, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """What lines are put together by."""

    name: str
    unit: Unit
    price: Fraction
    percent: Decimal | None  # None = not taxed


@dataclass(slots=True)
class _Sum:
    quantity: Fraction = Fraction(0)
    amount_minor: int = 0


@dataclass(slots=True)
class _Found:
    items: dict[_Item, _Sum] = field(default_factory=lambda: defaultdict(_Sum))
    taxes: dict[Decimal, int] = field(default_factory=lambda: defaultdict(int))  # by rate
    within: dict[Decimal, int] = field(
        default_factory=lambda: defaultdict(int)
    )  # of them in prices, below zero


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rate:
    """A tax that lines carry; `included` = their prices contain it."""

    percent: Decimal
    share: Fraction
    included: bool


def lines_of(
    view: AccountView, earned: Earned, *, since: datetime, until: datetime, days: Sequence[LoadDay]
) -> Told:
    """Return the lines and taxes of what an account's postings earned in [since, until)."""
    found = _Found()
    told: dict[str, int] = defaultdict(int)
    for use in earned.uses:
        for move in _moves(view, use, since=since, until=until, days=days):
            told[move.account.value] += move.amount_minor
            _sort(move, _tariff(view, move), found)
    rest = {code: minor - told[code] for code, minor in earned.by_code.items()}
    currency = view.account.currency
    lines = [
        *(_line(item, amount, currency) for item, amount in _net(found)),
        *_rest_lines(rest, found.taxes, fee_percent=_percent_of_fees(view), currency=currency),
    ]
    kept = tuple(line for line in lines if line.quantity or line.amount_minor)
    made = Told(lines=kept, taxes=tuple(_taxes(kept, found.taxes)))
    told_minor = sum(each.amount_minor for each in kept) + sum(each.tax_minor for each in made.taxes)
    assert told_minor == sum(earned.by_code.values()), "an invoice tells what was earned, to the minor unit"
    return made


def _moves(
    view: AccountView, use: BilledUse, *, since: datetime, until: datetime, days: Sequence[LoadDay]
) -> tuple[Move, ...]:
    """Return what the charges booked in [since, until) added to a bill.

    A charge that moved no money goes with the next one that did, as its energy was priced there.
    """
    assert view.schedule is not None
    opening = unpacked(use.opening.tally)
    made = list(
        charging.made_again(
            opening,
            use.charges,
            schedule=view.schedule,
            terms=view.terms_at(use.opening.bill_start),
            days=[each for each in days if each.meter_id == use.charges[0].meter_id],
        )
    )
    before, after = (_booked_by(use, instant) for instant in (since, until))
    if after <= before:
        return ()
    was: Bill | None = made[before - 1][1] if before else made[0][0]
    return explain(was, made[after - 1][1])


def _booked_by(use: BilledUse, instant: datetime) -> int:
    """Return how many of a bill's charges were booked by an instant, with those of no money before them."""
    places = [place for place, at in enumerate(use.booked_at, start=1) if at is not None and at < instant]
    return max(places, default=0)


def _sort(move: Move, tariff: Tariff, found: _Found) -> None:
    """Put a move where it belongs: a tax that lines carry with the taxes, all else with the items."""
    rates = _rates(tariff)
    own = rates.get(move.name)
    if own is not None and move.account is Account.TAX:
        found.taxes[own.percent] += move.amount_minor
        return
    if own is not None:
        # What was in the prices: it is taken from the lines that carry it, once all of them are known.
        found.within[own.percent] += move.amount_minor
        return
    name = f"{move.name} {move.period}" if move.period not in ("", move.name) else move.name
    if move.step is not None:
        name = f"{name}, step {move.step + 1}"
    on = next(
        (rates[tax] for tax, base in _bases(tariff).items() if tax in rates and move.name in base), None
    )
    price = abs(move.price) / (1 + on.share if on is not None and on.included else 1)
    item = _Item(name=name, unit=move.unit, price=price, percent=None if on is None else on.percent)
    found.items[item].quantity += move.quantity * (-1 if move.price < 0 else move.account.sign)
    found.items[item].amount_minor += move.amount_minor


def _rates(tariff: Tariff) -> dict[str, _Rate]:
    """Return those taxes that are told as such, by name: of all that fall on a line, the last.

    The others, such as an excise under the value added tax, are lines themselves: a line has but one.
    """
    taxed: set[str] = set()
    rates: dict[str, _Rate] = {}
    for component in reversed(tariff.components):
        if isinstance(component, Percent) and component.account is Account.TAX:
            base = _bases(tariff)[component.name]
            if not taxed & base:
                percent = _decimal(component.share * 100)
                rates[component.name] = _Rate(
                    percent=percent, share=component.share, included=component.included
                )
                taxed |= base
    return rates


def _bases(tariff: Tariff) -> dict[str, set[str]]:
    """Return the names of the components that each tax falls on."""
    before: list[str] = []
    bases: dict[str, set[str]] = {}
    for component in tariff.components:
        if isinstance(component, Percent) and component.account is Account.TAX:
            bases[component.name] = set(component.base or before)
        before.append(component.name)
    return bases


def _net(found: _Found) -> Iterator[tuple[_Item, _Sum]]:
    """Yield the items with what was in their prices taken out of them, each by its part."""
    for percent, out_minor in found.within.items():
        own = [amount for item, amount in found.items.items() if item.percent == percent]
        whole_minor, upto_minor, shared_minor = sum(each.amount_minor for each in own), 0, 0
        for each in own:
            upto_minor += each.amount_minor
            part_minor = (out_minor * upto_minor // whole_minor if whole_minor else 0) - shared_minor
            each.amount_minor += part_minor
            shared_minor += part_minor
        if shared_minor != out_minor:  # lines that cancel each other carry no part of it
            rest = _Item(name=_NAMES[ledger.TAX], unit=Unit.MINOR, price=Fraction(0), percent=percent)
            found.items[rest].amount_minor += out_minor - shared_minor
    yield from found.items.items()


def _tariff(view: AccountView, move: Move) -> Tariff:
    assert view.schedule is not None
    return view.schedule.by_key[move.version].tariff


def _line(item: _Item, amount: _Sum, currency: str) -> Line:
    if item.unit not in _UNITS or not amount.quantity:
        return _amount_line(item.name, amount.amount_minor, item.percent, currency)
    unit, scale = _UNITS[item.unit]
    category, rate = _taxed(item.percent)
    return Line(
        name=item.name,
        quantity=_decimal(amount.quantity / scale),
        unit=unit,
        price=_decimal(item.price),
        amount_minor=amount.amount_minor,
        category=category,
        percent=rate,
    )


def _amount_line(name: str, amount_minor: int, percent: Decimal | None, currency: str) -> Line:
    """Return a line of one thing at its amount; what takes off is so many less of it, since no price may."""
    price = Decimal(abs(amount_minor)).scaleb(-minor_digits(currency))
    quantity = Decimal(1 if amount_minor >= 0 else -1) if amount_minor else Decimal(0)
    category, rate = _taxed(percent)
    return Line(
        name=name, quantity=quantity, unit=_ONE, price=price, amount_minor=amount_minor,
        category=category, percent=rate,
    )  # fmt: skip


def _taxed(percent: Decimal | None) -> tuple[Category, Decimal]:
    return (Category.EXEMPT, _NO_RATE) if percent is None else (Category.STANDARD, percent)


def _rest_lines(
    rest: Mapping[str, int], taxes: dict[Decimal, int], *, fee_percent: Decimal | None, currency: str
) -> Iterator[Line]:
    """Yield what the bill's lines do not tell of; the tax on recharges' fees goes with the taxes."""
    for code, minor in rest.items():
        if code == ledger.TAX and fee_percent is not None and rest.get(ledger.FEE):
            taxes[fee_percent] += minor
        elif minor:
            percent = fee_percent if code == ledger.FEE and rest.get(ledger.TAX) else None
            yield _amount_line(_NAMES[code], minor, percent, currency)


def _percent_of_fees(view: AccountView) -> Decimal | None:
    ppm = view.policy.recharge_fee_tax_ppm
    return Decimal(ppm) / _PPM_PER_PERCENT if ppm else None


def _taxes(lines: Iterable[Line], taxes: Mapping[Decimal, int]) -> Iterator[Tax]:
    bases = totals_of(list(lines))
    for percent in taxes:
        bases.setdefault((Category.STANDARD, percent), 0)
    for category, percent in sorted(bases, key=lambda each: (each[0].value, each[1])):
        is_taxed = category is Category.STANDARD
        yield Tax(
            category=category,
            percent=percent,
            base_minor=bases[category, percent],
            tax_minor=taxes.get(percent, 0) if is_taxed else 0,
            reason="" if is_taxed else NOT_TAXED,
        )


def _decimal(exact: Fraction) -> Decimal:
    """Return a fraction as a decimal, rounded where it has no end."""
    scaled = Decimal(exact.numerator) / Decimal(exact.denominator)
    return scaled.quantize(Decimal(1).scaleb(-_DECIMALS), rounding=ROUND_HALF_UP).normalize()

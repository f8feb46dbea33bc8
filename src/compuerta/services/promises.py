"""The promises as checks: rows from the books, and facts from the world, against what this house promised.

Pure: whoever has the rows hands them in: the simulator from memory, the demonstration from PostgreSQL.
A check is of one of two strengths. `always` holds at every instant, however many crashes lie around it;
`settled` holds once the faults have ended and everybody has had time to catch up.

Without facts from the world (`services/facts.py`) the books are checked against themselves alone.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from compuerta.domain import instruction as life
from compuerta.domain.instruction import Instruction, Kind, State
from compuerta.domain.ledger import DELIVERED, MOVED, UNDELIVERED, PostingKind, liability_minor
from compuerta.domain.naming import derived
from compuerta.domain.party import CreditAuthority, Meter
from compuerta.domain.payment import payment_id
from compuerta.domain.supply import FORBIDDING
from compuerta.domain.tariff.bill import bill
from compuerta.domain.tariff.packing import unpacked
from compuerta.drivers.abilities import Relay
from compuerta.services import charging
from compuerta.services import promises_days as days
from compuerta.services import promises_freezes as midnights
from compuerta.services import promises_money as money
from compuerta.services import promises_refunds as refunds
from compuerta.services import promises_supply as supply
from compuerta.services import promises_warnings as warnings
from compuerta.services import promises_words as words
from compuerta.services.facts import Books, MeterFact, ProviderFact, Purchase, View, World, grouped, unless
from compuerta.services.records import Holdings, Instant, Payment, PaymentVerdict

__all__ = [
    "Books", "Checked", "MeterFact", "ProviderFact", "Purchase", "World", "broken", "check", "check_passing",
]  # fmt: skip

TAKEOVER_SEEN = timedelta(minutes=15)  # so soon after the instant a meter was looked at once more
REGISTER_STEP_WH = 10  # DL/T 645 registers count 0.01 kWh
BROKEN_SHOWN_MAX = 20  # a broken promise is broken once; more lines help nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """How many things were looked at under one promise, and which of them break it."""

    checked: int
    broken: tuple[str, ...]


_Check = Callable[[View], Iterator[str | None]]  # one item per thing looked at: None = fine


def check(
    books: Books,
    world: World | None = None,
    *,
    now: datetime,
    settled: bool = False,
    before: Books | None = None,
) -> Mapping[str, Checked]:
    """Check every promise; with `settled` also what holds only after calm.

    `before` is an earlier state of the same books: what it has of money may not have changed (promise M5).
    """
    view = View(books, world or World(), now=now, before=before)
    looked: dict[str, list[str | None]] = {name: list(examine(view)) for name, examine in _ALWAYS.items()}
    if settled:
        for name, examine in _SETTLED.items():
            looked.setdefault(name, []).extend(examine(view))
    return {name: _verdict(items) for name, items in looked.items()}


def check_passing(books: Books) -> Mapping[str, Checked]:
    """Check what may be over by the next look: meters, snapshots and open instructions are enough for it."""
    view = View(books, World(), now=datetime.min.replace(tzinfo=UTC), before=None)
    looked = {"D1": list(_one_in_flight(view)), "S4": list(supply.s4(view))}
    return {name: _verdict(items) for name, items in looked.items()}


def broken(verdicts: Mapping[str, Checked]) -> list[str]:
    """Return what is broken as lines that begin with the promise's name."""
    return [f"{name}: {line}" for name, each in verdicts.items() for line in each.broken]


def _verdict(items: Sequence[str | None]) -> Checked:
    lines = tuple(item for item in items if item is not None)
    return Checked(checked=len(items), broken=lines[:BROKEN_SHOWN_MAX])


# Money.


def _m1(view: View) -> Iterator[str | None]:
    """M1 Every posting sums to zero per currency; holdings are the sum of postings and nothing else."""
    yield unless(*_moved(view))
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for posting in view.books.postings:
        rest = sum(line.amount_minor for line in posting.lines)
        yield unless(rest == 0, f"posting {posting.posting_id} is off by {rest}")
        sums[posting.account_id][0] += liability_minor(posting, code=UNDELIVERED)
        sums[posting.account_id][1] += liability_minor(posting, code=DELIVERED)
    for held in view.books.holdings:
        has = [held.undelivered_minor, held.delivered_minor]
        yield unless(
            has == sums[held.account_id],
            f"account {held.account_id} has {has}, postings say {sums[held.account_id]}",
        )


def _moved(view: View) -> tuple[bool, str]:
    """What goes from account to account comes out of one and arrives at another."""
    lines = (line for posting in view.books.postings for line in posting.lines if line.code == MOVED)
    rest = sum(line.amount_minor for line in lines)
    return rest == 0, f"{rest} has left accounts and arrived at none"


def _m2(view: View) -> Iterator[str | None]:
    """M2 A payment credits once, whatever is repeated, reordered, delayed or killed."""
    times = Counter((each.provider, each.transaction_no) for each in view.books.payments)
    recharges = Counter(each.payment_id for each in view.books.recharges)
    for payment in view.books.payments:
        credited = payment.verdict is PaymentVerdict.CREDITED
        kind = PostingKind.RECHARGE if credited else PostingKind.SUSPENSE
        # What was not cash moves out of the drawer's books: the same money, once.
        of_it = view.postings_of[payment.payment_id]
        booked = [each.kind for each in of_it if each.kind is not PostingKind.SHIFT]
        fine = (
            times[payment.provider, payment.transaction_no] == 1
            and booked == [kind]
            and recharges[payment.payment_id] == int(credited)
        )
        yield unless(
            fine, f"{payment.transaction_no}: postings {booked}, {recharges[payment.payment_id]} recharges"
        )
    for recharge in view.books.recharges:
        adjusted = view.adjustment.get(recharge.adjustment_id) if recharge.adjustment_id else None
        known = recharge.payment_id in view.payment_by_id or (
            adjusted is not None and adjusted.amount_minor == recharge.paid_minor
        )
        yield unless(known, f"recharge {recharge.recharge_id} has no payment, and no adjustment")
    yield from refunds.m2(view)
    if view.world.provider is not None:
        yield from _m2_of_the_provider(view, view.world.provider)


def _m2_of_the_provider(view: View, facts: Sequence[ProviderFact]) -> Iterator[str | None]:
    taken = {(fact.provider, fact.transaction_no): fact for fact in facts}
    for key, payment in view.payment.items():
        fact = taken.get(key)
        real = fact is not None and (
            payment.amount_minor == fact.amount_minor
            or (payment.verdict is PaymentVerdict.SUSPENDED and _has_case(view, payment))
        )
        yield unless(real, f"{payment.transaction_no} is booked, and the provider has no such money")


def _m2_settled(view: View) -> Iterator[str | None]:
    """M2 Every provider's payment is credited, or in suspense with a case; and the provider knows it."""
    yield from refunds.m2_settled(view)
    for fact in view.world.provider or ():
        payment = view.payment.get((fact.provider, fact.transaction_no))
        if payment is None:
            yield f"{fact.transaction_no} ({fact.amount_minor}) is at the provider and not in the books"
            continue
        placed = payment.verdict is PaymentVerdict.CREDITED or _has_case(view, payment)
        yield unless(placed, f"{fact.transaction_no} is in suspense without a case")
        yield unless(fact.acknowledged, f"{fact.transaction_no} is told again and again, and never accepted")


def _has_case(view: View, payment: Payment) -> bool:
    about = payment_id(provider=payment.provider, transaction_no=payment.transaction_no)
    kinds = (
        "amount_differs", "account_closed", "reference_unknown", "contradicted", "over_limit", "paid_twice",
    )  # fmt: skip
    return any(derived(about, f"case:{kind}") in view.cases for kind in kinds)


def _m4(view: View) -> Iterator[str | None]:
    """M4 The charges of a bill add up to it, to the last minor unit, and each is booked as it is."""
    charges = grouped(view.books.charges, lambda each: each.account_id)
    bills = {(each.account_id, each.bill_start) for each in view.books.bills}
    for charge in view.books.charges:
        known = (charge.account_id, charge.bill_start) in bills
        yield unless(known, f"charge {charge.charge_id} is of a bill that has no opening")
    seen = {id(held) for held in view.before.holdings} if view.before else set()
    for account_id, held in view.holdings.items():
        at_wh, open_bill, billed_minor = 0, None, 0
        for charge in sorted(
            charges[account_id], key=lambda each: (each.bill_start, each.to_wh, each.read_at)
        ):
            amount_minor = charge.bill_after_minor - charge.bill_before_minor
            before_minor = billed_minor if charge.bill_start == open_bill else 0
            booked = [
                liability_minor(each, code=DELIVERED)
                for each in view.postings_of[charge.charge_id]
                if each.kind is PostingKind.CHARGE
            ]
            fine = charge.from_wh == at_wh and sum(booked) == -amount_minor
            yield unless(
                fine and charge.bill_before_minor == before_minor,
                f"account {account_id}: charge from {charge.from_wh} Wh after {at_wh} Wh, "
                f"{charge.bill_before_minor} after {before_minor}, booked {booked}",
            )
            at_wh, open_bill, billed_minor = charge.to_wh, charge.bill_start, charge.bill_after_minor
        if held.tally and id(held) not in seen:
            yield unless(
                held.billed_wh == at_wh and _open_minor(view, held, open_bill, billed_minor),
                f"account {account_id}: {at_wh} Wh are charged, {billed_minor} in the last bill, "
                f"and its tally says otherwise",
            )


def _open_minor(view: View, held: Holdings, open_bill: datetime | None, billed_minor: int) -> bool:
    """Whether the open bill, made of the tally, is what was charged in it."""
    by, tally = view.books.billed_by[held.account_id], unpacked(held.tally)
    made = bill(tally, schedule=by.schedule, terms=by.terms_at(tally.bill_start))
    return made.total_minor == (billed_minor if tally.bill_start == open_bill else 0)


def _m4_made_again(view: View) -> Iterator[str | None]:
    """M4 Every bill, made again from its opening and its uses, gives the same charges; energy is whole."""
    charges = grouped(view.books.charges, lambda each: (each.account_id, each.bill_start))
    days = grouped(view.books.load_days, lambda each: each.meter_id)
    for opening in view.books.bills:
        by = view.books.billed_by[opening.account_id]
        own = sorted(
            charges[opening.account_id, opening.bill_start], key=lambda each: (each.to_wh, each.read_at)
        )
        terms = by.terms_at(opening.bill_start)
        measured = days[own[0].meter_id] if own else []
        again = charging.made_again(
            unpacked(opening.tally), own, schedule=by.schedule, terms=terms, days=measured
        )
        for charge, (before, after) in zip(own, again, strict=True):
            made = before.total_minor, after.total_minor
            yield unless(
                made == (charge.bill_before_minor, charge.bill_after_minor),
                f"charge {charge.charge_id}: {charge.bill_before_minor} to {charge.bill_after_minor}, "
                f"made again {made}",
            )


def _m4_settled(view: View) -> Iterator[str | None]:
    """M4 What the meter measured is what was billed, down to the register's step."""
    yield from _m4_made_again(view)
    for account, meter, fact in view.metered():
        held = view.holdings[account.account_id]
        if fact.ran_backwards or held.billing_held:
            continue  # promise T2 speaks of these
        behind_wh = fact.energy_wh - fact.opening_wh - view.charged_wh[meter.meter_id]
        yield unless(
            0 <= behind_wh < REGISTER_STEP_WH, f"meter {meter.meter_no}: {behind_wh} Wh are not billed"
        )


def _m5(view: View) -> Iterator[str | None]:
    """M5 Money rows are never updated or deleted."""
    if view.before is None:
        return
    for kind in ("payments", "postings", "recharges", "recharge_lines", "instants", "charges"):
        rows = getattr(view.books, kind)
        same = {id(row) for row in rows}  # in memory a row that stayed is the same object
        moved = [row for row in getattr(view.before, kind) if id(row) not in same]
        kept = set(rows) if moved else set()
        yield from (None for _ in rows)
        yield from (f"a row of {kind} was changed or is gone: {row}" for row in moved if row not in kept)


# Delivery.


def _d1(view: View) -> Iterator[str | None]:
    """D1 A recharge reaches its credit authority exactly once.

    A meter with credit counts its purchases: number n is in it at most once, with the amount of our nth
    recharge; for the vendor's layout too, which refuses an order number that it has taken. Where the platform
    is the authority, a recharge is in force by its one posting, and no meter is told.
    """
    yield from _one_in_flight(view)
    for meter in view.books.meters:
        deliveries = view.deliveries(meter.meter_id)
        numbers = sorted(each.purchase_no or 0 for each in deliveries)
        counted = range(numbers[0], numbers[0] + len(numbers)) if numbers else range(0)
        yield unless(numbers == [*counted], f"meter {meter.meter_no}: purchase numbers {numbers}")
        fact = view.fact.get(meter.meter_no)
        if fact is not None:
            yield from _d1_in_the_meter(meter, deliveries, fact, view.cases)
    for recharge in view.books.recharges:
        at_platform = view.meter[recharge.meter_id].credit_authority is CreditAuthority.PLATFORM
        granted = money.granted_by(view, recharge)
        if at_platform and granted is not None:
            moved = (liability_minor(each, code=DELIVERED) for each in view.postings_of[granted])
            booked = [minor for minor in moved if minor]
            whole = [recharge.credit_minor] if recharge.credit_minor else []
            yield unless(booked == whole, f"recharge {recharge.recharge_id} is in force as {booked}")


def _one_in_flight(view: View) -> Iterator[str | None]:
    for meter in view.books.meters:
        flying = [each for each in view.instructions_of[meter.meter_id] if each.state is State.IN_FLIGHT]
        yield unless(len(flying) <= 1, f"meter {meter.meter_no}: {len(flying)} instructions are in flight")


def _d1_in_the_meter(
    meter: Meter, deliveries: Sequence[Instruction], fact: MeterFact, cases: Set[UUID]
) -> Iterator[str | None]:
    wanted = {each.purchase_no: each for each in deliveries}
    times = Counter(each.purchase_no for each in fact.credited)
    for purchase in fact.credited:
        order = wanted.get(purchase.purchase_no)
        amount_minor = None if order is None else _counted_minor(order)
        fine = times[purchase.purchase_no] == 1 and amount_minor == purchase.amount_minor
        yield unless(
            fine,
            f"meter {meter.meter_no} has purchase {purchase.purchase_no} of {purchase.amount_minor} "
            f"{times[purchase.purchase_no]} times; ordered was {amount_minor}",
        )
    for order in deliveries:
        told = order.state is not State.DONE or order.purchase_no in times
        yield unless(
            told, f"meter {meter.meter_no}: purchase {order.purchase_no} is done, and not in the meter"
        )
        doubted = derived(order.instruction_id, "case:doubt") in cases
        twice = order.state is State.CANCELLED and order.purchase_no in times and not doubted
        yield unless(
            not twice, f"meter {meter.meter_no}: purchase {order.purchase_no} is cancelled, and in the meter"
        )


def _counted_minor(order: Instruction) -> int:
    """Return what an order adds to a meter's money."""
    assert order.amount_minor is not None
    return -order.amount_minor if order.kind is Kind.WITHDRAWAL else order.amount_minor


def _d1_settled(view: View) -> Iterator[str | None]:
    """D1 Every recharge is in the meter, and the money in it is recharges less use."""
    for account, meter, fact in view.metered():
        has = {each.purchase_no for each in fact.credited}
        # Whose relay is to open and is stuck takes no recharge, which could close it for good (S3).
        waits = fact.relay_stuck and bool(view.holds_at(meter.meter_id, view.now) & FORBIDDING)
        for order in view.deliveries(meter.meter_id):
            yield unless(
                order.purchase_no in has or waits,
                f"meter {meter.meter_no} never got purchase {order.purchase_no}",
            )
        held = view.holdings[account.account_id]
        if fact.balance_minor is None or fact.ran_backwards or held.billing_held:
            continue
        if any(each.kind == "drift_at_swap" for each in view.cases_of[account.account_id]):
            continue  # the difference is on somebody's screen
        ours_minor = fact.opening_minor + held.delivered_minor - view.unbilled_minor(account, fact)
        # The meter rounds by the watt-second and we by the register's step: once for each who lived there.
        fine = abs(ours_minor - fact.balance_minor) <= len(view.accounts_of[meter.meter_id])
        yield unless(fine, f"meter {meter.meter_no} holds {fact.balance_minor}, the books say {ours_minor}")


def _d2(view: View) -> Iterator[str | None]:
    """D2 What must be sent is written, in the transaction that decided it."""
    orders = grouped(
        (each for each in view.books.instructions if each.recharge_id is not None),
        lambda each: each.recharge_id,
    )
    for recharge in view.books.recharges:
        in_meter = view.meter[recharge.meter_id].credit_authority is CreditAuthority.METER
        amounts = [each.amount_minor for each in orders[recharge.recharge_id]]
        fine = amounts == ([recharge.credit_minor] if in_meter and recharge.credit_minor else [])
        yield unless(fine, f"recharge {recharge.recharge_id} has the instructions {amounts}")
    known = {each.recharge_id for each in view.books.recharges}
    for recharge_id in orders:
        yield unless(recharge_id in known, f"an instruction delivers {recharge_id}, which nobody paid")


def _d3(view: View) -> Iterator[str | None]:
    """D3 No instruction vanishes: it ends with evidence, or it is open and its money undelivered."""
    open_minor: dict[int, int] = defaultdict(int)
    credited = {each.recharge_id for each in view.books.instants if each.instant is Instant.CREDITED}
    for each in view.books.instructions:
        ended = each.state not in life.OPEN
        yield unless(
            ended == (each.ended_at is not None), f"instruction {each.instruction_id} ends and does not end"
        )
        if each.kind is not Kind.RECHARGE:
            continue
        assert each.recharge_id is not None and each.amount_minor is not None
        if not ended:
            open_minor[each.account_id] += each.amount_minor
            continue
        booked = [posting.kind for posting in view.postings_of[each.recharge_id]]
        if each.state is State.CANCELLED:  # its money was carried: M3 counts it
            fine = each.recharge_id not in credited and not booked
        else:
            proved = each.state is State.DONE and each.recharge_id in credited
            fine = proved and booked == [PostingKind.DELIVERY]
        yield unless(
            fine, f"purchase {each.purchase_no} is {each.state.value} without evidence, postings {booked}"
        )
    for held in view.books.holdings:
        fine = held.undelivered_minor == open_minor[held.account_id]
        yield unless(
            fine,
            f"account {held.account_id}: {held.undelivered_minor} undelivered, "
            f"{open_minor[held.account_id]} waiting to be delivered",
        )


def _d3_settled(view: View) -> Iterator[str | None]:
    """D3 Nothing is undelivered, nothing waits, and what we believe of a relay is so."""
    for _, meter, fact in view.metered():
        for each in view.instructions_of[meter.meter_id]:
            # A tariff is open until its meter was seen to run by it, which may be next year.
            is_early = each.effective_at is not None and view.now < each.effective_at + TAKEOVER_SEEN
            waits = each.state in life.OPEN and not fact.relay_stuck and not is_early
            yield unless(
                not waits,
                f"meter {meter.meter_no}: {each.kind.value} still {each.state.value}: {each.last_answer}",
            )
        relay = view.snapshot[meter.meter_id].relay
        # By its status word a relay that is stuck open looks permitted; that it is open must be known.
        fine = (
            (relay is Relay.CLOSED) == (fact.relay is Relay.CLOSED)
            if fact.relay_stuck
            else relay is fact.relay
        )
        yield unless(fine, f"meter {meter.meter_no}: relay {fact.relay.value}, we believe {_name(relay)}")


# Truth.


def _t2(view: View) -> Iterator[str | None]:
    """T2 Billing is held only where a case says why."""
    for held in view.books.holdings:
        if held.billing_held:
            told = any(each.kind.startswith("register_") for each in view.cases_of[held.account_id])
            yield unless(told, f"account {held.account_id}: billing is held, and no case says why")
    yield from midnights.t2(view)


def _t2_settled(view: View) -> Iterator[str | None]:
    """T2 A register that ran backwards has a case, and no other has one."""
    for _, meter, fact in view.metered():
        told = any(
            each.kind.startswith("register_")
            for account_id in view.accounts_of[meter.meter_id]
            for each in view.cases_of[account_id]
        )
        fine = told == fact.ran_backwards
        yield unless(fine, f"meter {meter.meter_no}: ran backwards {fact.ran_backwards}, case {told}")
    yield from midnights.t2_settled(view)


_ALWAYS: Mapping[str, _Check] = MappingProxyType(
    {
        "M1": _m1, "M2": _m2, "M3": money.m3, "M4": _m4, "M5": _m5,
        "D1": _d1, "D2": _d2, "D3": _d3, "T1": days.t1, "T2": _t2,
        "S1": supply.s1_always, "S2": supply.s2, "S3": supply.s3, "S4": supply.s4,
        "W1": warnings.w1, "W2": words.w2, "W3": words.w3,
    }
)  # fmt: skip
_SETTLED: Mapping[str, _Check] = MappingProxyType(
    {
        "M2": _m2_settled, "M4": _m4_settled, "D1": _d1_settled, "D3": _d3_settled,
        "S1": supply.s1_settled, "S2": supply.s2_settled, "S3": supply.s3_settled,
        "T1": days.t1_settled, "T2": _t2_settled, "W2": words.w2_settled, "W3": words.w3_settled,
    }
)  # fmt: skip


def _name(relay: Relay | None) -> str:
    return "nothing" if relay is None else relay.value

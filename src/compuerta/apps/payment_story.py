"""The story of payments: every way to pay once, and every way in which a payment goes wrong.

Each scene is a home of the town, and what happens to its money. Scenes are played side by side; what is said
of them in the end is read from the database, from the meters, and from the simulated providers themselves.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

import httpx

from compuerta.adapters.postgres import books
from compuerta.adapters.postgres.rows import Row
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import parts, payment_facts, town, wiring
from compuerta.apps.api.keys import make_key
from compuerta.apps.payment_facts import Expected
from compuerta.apps.playing import Play, checked_promises, recharge_facts, sale, wait_for_power
from compuerta.domain.correction import Correction, CorrectionKind, CorrectionState, Way
from compuerta.domain.division import DebtKind
from compuerta.domain.policy import Json
from compuerta.services import correcting, indebting, moving_out, settling, shifts, tilling
from compuerta.services.acting import Actor
from compuerta.services.indebting import DebtOpening
from compuerta.services.moving_out import MoveOut
from compuerta.services.payment_ports import PaymentProvider
from compuerta.services.promises import ProviderFact
from compuerta.services.proposing import Proposal
from compuerta.services.settling import Settlement
from compuerta.services.shifts import Count, Opening
from compuerta.services.tilling import Sale, Undoing, transaction_no_of
from compuerta.virtual.providers.worlds import Button

AMOUNT_MINOR = 3_000
SMALL_MINOR = 1_000
REPEATS = 16  # at the same instant
FLOOD = 300  # messages of strangers
STORY_WITHIN = timedelta(seconds=150)
SILENT_S = 6.0
KIOSK = "kiosk"
PHONE = "254700000000"
LOST_PPM = 1_000_000

Wait = parts.Wait[None]
Steps = parts.Steps[None]


@dataclass(slots=True, kw_only=True)
class Tale:
    """A story that is being played."""

    play: Play
    store: PostgresStore
    homes: Mapping[str, town.Home]
    late: list[str] = field(default_factory=list)
    since: datetime = field(default_factory=wiring.now)  # what came before is no part of the story
    opened: list[tuple[town.Home, str]] = field(default_factory=list)  # first sales
    noted: dict[str, Any] = field(default_factory=dict)  # what a scene has seen that no row tells
    providers: Mapping[str, PaymentProvider] = field(default_factory=dict)
    kiosk_key: str = ""

    def order(
        self, home: town.Home, provider: str, amount_minor: int = AMOUNT_MINOR, **how: str
    ) -> dict[str, Any]:
        """Order a recharge through the door for apps."""
        wish = {"meter_no": home.meter_no, "amount_minor": amount_minor, "provider": provider, **how}
        return self.ask("POST", "/api/v1/orders", wish)

    def ask(self, method: str, path: str, wish: Mapping[str, object], *, key: str = "") -> dict[str, Any]:
        """Ask the machines' door for something, under a key of its own; raises where it is refused."""
        stage = self.play.stage
        answer = stage.client.request(
            method,
            f"{stage.console_url}{path}",
            json=wish or None,
            headers={"authorization": f"Bearer {key or stage.api_key}", "idempotency-key": str(uuid4())},
        )
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def reference(self, order: Mapping[str, Any], *, attempt: int = -1) -> str:
        """Return the number of an order's attempt at its provider."""
        return UUID(order["attempts"][attempt]["attempt_id"]).hex

    def pay(self, order: Mapping[str, Any], *, attempt: int = -1) -> str:
        """Be the payer of an attempt."""
        reference = self.reference(order, attempt=attempt)
        self.play.stage.pay(reference, provider=order["attempts"][attempt]["provider"])
        return reference

    def press(self, provider: str, button: Button, reference: str, *, amount_minor: int = 0) -> None:
        """Do something at a provider."""
        self.play.stage.press(button, reference, provider=provider, amount_minor=amount_minor)

    def hand(self, provider: str, transaction_no: str, reference: str, amount_minor: int) -> None:
        """Keep in mind that somebody has taken money for the house."""
        self.play.stage.handed.append(
            ProviderFact(
                provider=provider,
                transaction_no=transaction_no,
                reference=reference,
                amount_minor=amount_minor,
            )
        )

    def settle(self, home: town.Home, document: Mapping[str, Json]) -> None:
        """Settle a policy of one account."""
        wish = Settlement(scope="account", scope_id=home.account_id, document=document, act_id=uuid4())
        models = wiring.models(self.play.stage.settings)
        settling.settle(self.store, wish, actor=by("admin", "agreed"), models=models, now=wiring.now())

    def put_right(self, wish: Proposal, *, provider: str = "") -> Correction:
        """Have an accountant propose, and the owner approve."""
        able = self.providers[provider].capabilities if provider else None
        now = wiring.now()
        correcting.propose(
            self.store, wish, actor=by("accountant", "the payer has called"), capabilities=able, now=now
        )
        return correcting.approve(
            self.store,
            wish.account_id,
            wish.correction_id,
            actor=by("owner", "it is as they say"),
            act_id=uuid4(),
            now=now,
        )

    def in_force(self, home: town.Home) -> int:
        """Return how many recharges of a home the story has brought into force."""
        return payment_facts.in_force(self.store, home.account_id, since=self.since)

    def payments(self, home: town.Home) -> list[Row]:
        """Return the payments of a home in the story."""
        return payment_facts.payments(self.store, home.account_id, since=self.since)

    def credited(self, home: town.Home, number: int = 1) -> Wait:
        """Wait until so many payments of a home are in force where the credit is."""
        what = f"{number} payments of {home.supply_point} in force"
        return Wait(
            what=what,
            is_so=lambda _: self.in_force(home) >= number,
        )

    def case(self, home: town.Home, kind: str) -> Wait:
        """Wait until a case is open."""
        return Wait(
            what=f"a case {kind}", is_so=lambda _: kind in payment_facts.cases(self.store, home.account_id)
        )

    def ended(self, correction: Correction) -> Wait:
        """Wait until a correction is done."""

        def is_done(_: None) -> bool:
            with self.store.transaction() as tx:
                now = tx.corrections.correction(correction.account_id, correction.correction_id)
            return now is not None and now.state is CorrectionState.DONE

        return Wait(what=f"the {correction.kind.value} to be done", is_so=is_done)


def plan() -> tuple[town.Home, ...]:
    """Say who lives where: the town as it is, and nobody uses much."""
    return tuple(payment_facts.resting(home) for home in town.plan())


def play(play: Play) -> dict[str, Any]:
    """Play all scenes; returns the facts, and what did not come as it should have."""
    store = PostgresStore(play.stage.url)
    try:
        facts = _facts(
            Tale(play=play, store=store, homes={home.supply_point: home for home in play.stage.town.homes})
        )
    finally:
        store.shut()
    for line in facts["missing"]:
        play.tell(f"[red]missing[/] {line}")
    return facts


def _facts(tale: Tale) -> dict[str, Any]:
    stage = tale.play.stage
    tale.providers = wiring.providers_in(stage.directory / wiring.PROVIDERS_FILE)
    tale.kiosk_key = make_key(
        stage.url, name=KIOSK, organisation_id=stage.town.organisation_id, scopes=["see", "sell"]
    )
    _open(tale)
    before = books.load(stage.url, now=wiring.now())
    tale.since = payment_facts.now_in(tale.store)
    _never_told(tale)
    tale.late += parts.side_by_side(
        {name: player(tale, tale.homes[SCENES[name].place]) for name, player in PLAYERS.items()},
        look=lambda: _look(tale),
        ended=lambda name: tale.play.tell(f"[bold]{name.replace('_', ' ')}[/] [dim]has no more to tell[/]"),
    )
    verdicts = checked_promises(tale.play, before=before)
    recharges = [recharge_facts(home, stage.recharge_facts(attempt_id)) for home, attempt_id in tale.opened]
    facts = payment_facts.gather(tale.store, SCENES, tale.homes, since=tale.since, noted=tale.noted)
    return {
        **facts,
        "recharges": recharges,
        "promises": verdicts,
        "missing": [*tale.late, *payment_facts.missing(facts, SCENES)],
    }


def _look(tale: Tale) -> dict[str, None]:
    tale.play.stage.tend()
    return dict.fromkeys(PLAYERS)


def _open(tale: Tale) -> None:
    """Sell the first electricity at the till, so that there is something in every meter."""
    stage = tale.play.stage
    tale.play.tell(f"{len(tale.homes)} tenants buy their first electricity at the till")
    sold = [
        (home, sale(stage, home, provider="till", amount_minor=home.opening_minor))
        for home in tale.homes.values()
    ]
    tale.opened = sold
    for home, attempt_id in sold:
        wait_for_power(tale.play, home, attempt_id)
    tale.play.tell("the building has power; every payment from here on has a story")


# Who pays, and what goes wrong.


def _never_told(tale: Tale) -> None:
    """All notices of a provider are lost: whoever asks finds the money."""
    home, stage = tale.homes[SCENES["never_told"].place], tale.play.stage
    stage.behave("wechat", lost_ppm=LOST_PPM)
    tale.pay(tale.order(home, "wechat"))
    paid = tale.credited(home)
    stage.wait_for(paid.what, lambda: paid.is_so(None), within=paid.within)
    stage.behave("wechat", lost_ppm=0, duplicate_ppm=300_000, certificate_ppm=300_000)
    stage.behave("alipay", duplicate_ppm=300_000, gbk_ppm=300_000, empty_ppm=300_000)


def _told_often(tale: Tale, home: town.Home) -> Steps:
    """The same money is told sixteen times at once, and again later."""
    reference = tale.pay(tale.order(home, "wechat"))
    yield tale.credited(home)
    with ThreadPoolExecutor(REPEATS) as many:
        for _ in range(REPEATS):
            many.submit(tale.press, "wechat", Button.REPEAT, reference)
    yield _for_a_while(SILENT_S)


def _forged(tale: Tale, home: town.Home) -> Steps:
    """A stranger signs, and somebody writes the body anew; only the genuine word counts."""
    order = tale.order(home, "wechat")
    tale.noted["forged"] = payment_facts.forged_answers(tale.play.stage, tale.reference(order))
    yield _for_a_while(1.0)
    assert tale.in_force(home) == 0
    reference = tale.pay(order)
    yield tale.credited(home)
    tale.press("wechat", Button.STRANGER, reference)
    tale.press("wechat", Button.PROBE, reference)
    yield _for_a_while(SILENT_S)


def _other_amount(tale: Tale, home: town.Home) -> Steps:
    """The provider tells of another amount, well signed: a case, and nothing moves."""
    reference = tale.pay(tale.order(home, "wechat"))
    yield tale.credited(home)
    tale.press("wechat", Button.FORGE, reference, amount_minor=AMOUNT_MINOR * 100)
    yield tale.case(home, "contradicted")


def _late(tale: Tale, home: town.Home) -> Steps:
    """An order is cancelled, and paid all the same: the money is real."""
    order = tale.order(home, "wechat")
    attempt_id = order["attempts"][0]["attempt_id"]
    tale.ask("POST", f"/api/v1/attempts/{attempt_id}/cancel", {})
    tale.press("wechat", Button.PAY_LATE, tale.reference(order))
    yield tale.credited(home)


def _refunded(tale: Tale, home: town.Home) -> Steps:
    """The credit comes back from the meter, then the money goes back; a late word revives nothing."""
    reference = tale.pay(tale.order(home, "wechat"))
    yield tale.credited(home)
    correction = tale.put_right(_of(tale, home, CorrectionKind.REFUND, way=Way.PROVIDER), provider="wechat")
    yield tale.ended(correction)
    tale.press("wechat", Button.REPEAT, reference)
    yield _for_a_while(SILENT_S)


def _refunded_by_hand(tale: Tale, home: town.Home) -> Steps:
    """Part is refunded in Alipay's own console, and months later the trade is finished: neither is money."""
    reference = tale.pay(tale.order(home, "alipay"))
    yield tale.credited(home)
    tale.press("alipay", Button.REFUND, reference, amount_minor=SMALL_MINOR)
    yield tale.case(home, "refund_unasked")
    tale.press("alipay", Button.FINISH, reference)
    yield _for_a_while(SILENT_S)


def _paid_twice(tale: Tale, home: town.Home) -> Steps:
    """Two attempts of one order are both paid."""
    order = tale.order(home, "wechat")
    again = tale.ask(
        "POST", f"/api/v1/orders/{order['order_id']}/attempts", {"provider": "alipay", "flow": "qr"}
    )
    tale.pay(order, attempt=0)
    yield tale.credited(home)
    tale.pay(again)
    yield tale.credited(home, 2)
    yield tale.case(home, "paid_twice")


def _by_code(tale: Tale, home: town.Home) -> Steps:
    """The till scans the code on a telephone."""
    tale.order(home, "alipay", flow="code", payer="281234567890123456")
    yield tale.credited(home)


def _charged_back(tale: Tale, home: town.Home) -> Steps:
    """The payer's bank takes a card payment back, which was used: a debt, never a silent minus."""
    reference = tale.pay(tale.order(home, "card", flow="web", payer="203.0.113.7"))
    yield tale.credited(home)
    tale.press("card", Button.DISPUTE, reference)
    tale.press("card", Button.DISPUTE_LOST, reference)
    yield Wait(what="a debt", is_so=lambda _: payment_facts.owes(tale.store, home.account_id) >= AMOUNT_MINOR)


def _moved_away(tale: Tale, home: town.Home) -> Steps:
    """A tenant leaves between the order and the money: it waits in suspense, and goes back by two people."""
    order = tale.order(home, "wechat")
    moving_out.move_out(
        tale.store,
        MoveOut(account_id=home.account_id),
        actor=by("admin", "the lease ends"),
        move_id=uuid4(),
        now=wiring.now(),
    )
    tale.pay(order)
    yield tale.case(home, "account_closed")
    correction = tale.put_right(_of(tale, home, CorrectionKind.REFUND, way=Way.PROVIDER), provider="wechat")
    yield tale.ended(correction)


def _too_much(tale: Tale, home: town.Home) -> Steps:
    """More than may be hoarded is refused before money is taken; what slips through waits in suspense."""
    tale.settle(home, {"hoarding_minor": home.opening_minor + AMOUNT_MINOR})
    tale.noted["too_much"] = payment_facts.refusal(lambda: tale.order(home, "wechat", AMOUNT_MINOR * 2))
    first, second = tale.order(home, "wechat"), tale.order(home, "wechat")
    tale.pay(first)
    yield tale.credited(home)
    tale.pay(second)
    yield tale.case(home, "over_limit")


def _in_debt(tale: Tale, home: town.Home) -> Steps:
    """Fees, a month, a debt: each part of a payment is a line."""
    tale.settle(
        home,
        {
            "recharge_fee_minor": 50,
            "recharge_fee_tax_ppm": 160_000,
            "monthly_fee_minor": 200,
            "debt_share_ppm": 500_000,
        },
    )
    owed = DebtOpening(
        account_id=home.account_id,
        debt_id=uuid4(),
        kind=DebtKind.ARREARS,
        name="Rent of October",
        amount_minor=SMALL_MINOR,
    )
    with tale.store.transaction() as tx:
        indebting.opened(tx, owed, actor=by("accountant", "as agreed"), now=wiring.now())
    tale.pay(tale.order(home, "alipay"))
    yield tale.credited(home)


def _over_the_counter(tale: Tale, home: town.Home) -> Steps:
    """A shift with its float, a sale by two tenders, a sale that is undone, a blind count."""
    organisation_id = tale.play.stage.town.organisation_id
    cashier, owner = by("cashier", "at the counter"), by("owner", "the customer changed their mind")
    opening = Opening(
        shift_id=uuid4(), organisation_id=organisation_id, till=town.COUNTER, float_minor=10_000
    )
    shifts.open_shift(tale.store, opening, actor=cashier, now=wiring.now())
    mixed = _sale(tale, home, amount_minor=AMOUNT_MINOR, cash=2_500, card=1_000)
    tilling.sell(tale.store, mixed, actor=cashier, now=wiring.now())
    yield tale.credited(home)
    undone = _sale(tale, home, amount_minor=SMALL_MINOR, cash=SMALL_MINOR)
    tilling.sell(tale.store, undone, actor=cashier, now=wiring.now())
    yield tale.credited(home, 2)
    tale.noted["undone"] = _undo(tale, home, undone, owner)
    counted = Count(act_id=uuid4(), organisation_id=organisation_id, counted_minor=12_000)
    shift = shifts.count(tale.store, counted, actor=cashier, now=wiring.now())
    tale.noted["over_the_counter"] = {"over_minor": shift.over_minor}


def _undo(tale: Tale, home: town.Home, undone: Sale, owner: Actor) -> str:
    """Undo a sale; returns why it was refused, "" where it was not."""
    wish = Undoing(
        correction_id=uuid4(),
        organisation_id=undone.organisation_id,
        account_id=home.account_id,
        attempt_id=undone.attempt_id,
    )
    return payment_facts.refusal(lambda: tilling.void(tale.store, wish, actor=owner, now=wiring.now()))


def _by_a_biller(tale: Tale, home: town.Home) -> Steps:
    """A shop has taken the money and tells us, twice; another sale it takes back, before the meter has it."""
    wish = {
        "reference": "SHOP-0001",
        "meter_no": home.meter_no,
        "amount_minor": AMOUNT_MINOR,
        "currency": town.CURRENCY,
    }
    tale.hand(KIOSK, "SHOP-0001", "SHOP-0001", AMOUNT_MINOR)
    for _ in range(2):
        tale.ask("POST", "/api/v1/billers/payments", wish, key=tale.kiosk_key)
    yield tale.credited(home)
    tale.noted["by_a_biller"] = payment_facts.refusal(
        lambda: tale.ask(
            "POST", "/api/v1/billers/payments/SHOP-0001/reverse", {"why": "typo"}, key=tale.kiosk_key
        )
    )


def _out_of_reach(tale: Tale, home: town.Home) -> Steps:
    """The meter is silent: the money is on its way, and goes nowhere else."""
    tale.play.stage.order({"order": "set_silent", "meter_no": home.meter_no, "silent": True})
    tale.pay(tale.order(home, "wechat"))
    yield Wait(
        what="the payment",
        is_so=lambda _: bool(tale.payments(home)),
    )
    yield _for_a_while(SILENT_S)
    tale.noted["out_of_reach"] = tale.in_force(home)
    tale.play.stage.order({"order": "set_silent", "meter_no": home.meter_no, "silent": False})
    yield tale.credited(home)


def _wrong_meter(tale: Tale, home: town.Home) -> Steps:
    """Somebody paid for the neighbour's meter: two people move the credit."""
    tale.pay(tale.order(home, "alipay"))
    yield tale.credited(home)
    neighbour = tale.homes[SCENES["right_meter"].place]
    wish = _of(tale, home, CorrectionKind.MOVE, to_account_id=neighbour.account_id)
    yield tale.ended(tale.put_right(wish))


def _right_meter(tale: Tale, home: town.Home) -> Steps:
    """The neighbour gets what was meant for them."""
    yield tale.credited(home)


def _by_mobile_money(tale: Tale, home: town.Home) -> Steps:
    """A telephone is asked; somebody types a meter's number; somebody types nonsense; a stranger lies."""
    order = tale.order(home, "paybill", 10_000, flow="prompt", payer=PHONE)
    tale.press("paybill", Button.PAY, tale.reference(order))
    yield tale.credited(home)
    tale.press("paybill", Button.SEND, home.meter_no, amount_minor=20_000)
    yield tale.credited(home, 2)
    tale.press("paybill", Button.SEND, "for Ann, flat 3", amount_minor=30_000)
    tale.press("paybill", Button.STRANGER, tale.reference(order))
    yield Wait(
        what="money that nobody knows",
        is_so=lambda _: "reference_unknown" in payment_facts.cases_in_suspense(tale.store, "paybill"),
    )


def _flooded(tale: Tale, home: town.Home) -> Steps:
    """Strangers knock by the hundred: few are kept, and who pays is heard."""
    stage = tale.play.stage

    def knock(number: int) -> int:
        with httpx.Client(timeout=10.0) as client:
            body = f"{{{number}}}".encode()
            return client.post(f"{stage.console_url}/notices/wechat", content=body).status_code

    with ThreadPoolExecutor(REPEATS) as many:
        tale.noted["flooded"] = sorted(set(many.map(knock, range(FLOOD))))
    tale.pay(tale.order(home, "wechat"))
    yield tale.credited(home)


SCENES: Mapping[str, Expected] = MappingProxyType(
    {
        "told_often": Expected(place="101", credited=1),
        "forged": Expected(place="102", credited=1),
        "other_amount": Expected(place="103", credited=1, cases=("contradicted",)),
        "late": Expected(place="104", credited=1),
        "never_told": Expected(place="105", credited=1),
        "refunded": Expected(place="201", credited=1, refunded_minor=AMOUNT_MINOR),
        "refunded_by_hand": Expected(
            place="202", credited=1, refunded_minor=SMALL_MINOR, cases=("refund_unasked",)
        ),
        "paid_twice": Expected(place="203", credited=2, cases=("paid_twice",)),
        "by_code": Expected(place="204", credited=1),
        "charged_back": Expected(place="205", credited=1),
        "moved_away": Expected(
            place="301", suspended=1, refunded_minor=AMOUNT_MINOR, cases=("account_closed",)
        ),
        "too_much": Expected(place="302", credited=1, suspended=1, cases=("over_limit",)),
        "in_debt": Expected(place="304", credited=1, lines=("fee", "tax", "fixed", "debt", "energy")),
        "over_the_counter": Expected(place="303", credited=2),
        "by_a_biller": Expected(place="305", credited=1),
        "out_of_reach": Expected(place="401", credited=1),
        "wrong_meter": Expected(place="402", credited=1),
        "right_meter": Expected(place="403", credited=0),
        "flooded": Expected(place="404", credited=1),
        "by_mobile_money": Expected(place="A1", credited=2),
    }
)
PLAYERS: Mapping[str, Callable[[Tale, town.Home], Steps]] = MappingProxyType(
    {
        "told_often": _told_often,
        "forged": _forged,
        "other_amount": _other_amount,
        "late": _late,
        "refunded": _refunded,
        "refunded_by_hand": _refunded_by_hand,
        "paid_twice": _paid_twice,
        "by_code": _by_code,
        "charged_back": _charged_back,
        "moved_away": _moved_away,
        "too_much": _too_much,
        "in_debt": _in_debt,
        "over_the_counter": _over_the_counter,
        "by_a_biller": _by_a_biller,
        "out_of_reach": _out_of_reach,
        "wrong_meter": _wrong_meter,
        "right_meter": _right_meter,
        "by_mobile_money": _by_mobile_money,
        "flooded": _flooded,
    }
)


def _sale(tale: Tale, home: town.Home, *, amount_minor: int, **tenders: int) -> Sale:
    """Have money handed over at the counter."""
    attempt_id = uuid4()
    tale.hand(town.COUNTER, transaction_no_of(attempt_id.hex), attempt_id.hex, amount_minor)
    return Sale(
        attempt_id=attempt_id,
        organisation_id=tale.play.stage.town.organisation_id,
        account_id=home.account_id,
        currency=home.currency,
        amount_minor=amount_minor,
        tenders=tenders,
    )


def _of(
    tale: Tale,
    home: town.Home,
    kind: CorrectionKind,
    *,
    way: Way | None = None,
    to_account_id: int | None = None,
) -> Proposal:
    """Return a proposal about the one payment of a home."""
    (payment,) = tale.payments(home)
    return Proposal(
        correction_id=uuid4(),
        kind=kind,
        account_id=home.account_id,
        amount_minor=payment["amount_minor"],
        payment_id=payment["payment_id"],
        to_account_id=to_account_id,
        way=way,
    )


def by(who: str, why: str) -> Actor:
    """Return a person of the stage."""
    return Actor(who=who, why=why, origin="stage")


def _for_a_while(seconds: float) -> Wait:
    until_s = time.monotonic() + seconds
    return Wait(what="a while", is_so=lambda _: time.monotonic() > until_s)

"""Stripe's notices: which are believed, and what each kind of them says about money."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st
from tests.unit.payments.stripe_side import SECRET, Shop, a_card_attempt, some_settings
from tests.unit.payments.wechat_side import NOON

from compuerta.adapters.payments.stripe import StripePay
from compuerta.domain.payment import DisputeState, PaymentNotice, RefundState
from compuerta.services.payment_ports import HttpRequest, Refusal, Rejected, Verified
from compuerta.virtual.providers.worlds import Button
from compuerta.wire.stripe import signature

REFERENCE = "R20261122000001"


@pytest.fixture
def shop() -> Shop:
    return Shop()


def a_notice(event: Mapping[str, object] | bytes, *, secret: bytes = SECRET, header: str = "") -> HttpRequest:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    signed = signature.signature_header(body, secrets=[secret], at_s=int(NOON.timestamp()))
    return HttpRequest(method="POST", path="/", headers={signature.HEADER: header or signed}, body=body)


def an_event(kind: str, **about: object) -> dict[str, object]:
    return {
        "id": "evt_1",
        "object": "event",
        "created": int(NOON.timestamp()),
        "livemode": False,
        "type": kind,
        "data": {"object": about},
    }


def a_succeeded(**changes: object) -> dict[str, object]:
    about: dict[str, object] = {
        "id": "pi_1",
        "status": "succeeded",
        "amount_received": 5000,
        "currency": "eur",
        "metadata": {"compuerta_order": REFERENCE},
    }
    return an_event("payment_intent.succeeded", **(about | changes))


def verified(shop: Shop, notice: HttpRequest) -> Verified:
    heard = shop.provider.hear(notice, now=NOON)
    assert isinstance(heard, Verified), heard
    return heard


def refused(shop: Shop, notice: HttpRequest) -> Refusal:
    heard = shop.provider.hear(notice, now=NOON)
    assert isinstance(heard, Rejected), heard
    assert heard.answer.status >= 400
    return heard.refusal


def test_each_event_of_a_payment_names_the_same_payment_in_any_order(shop: Shop) -> None:
    shop.paid(a_card_attempt())

    heard = shop.heard()

    assert all(isinstance(each, Verified) for each in heard)
    notices = [each.notice for each in heard if isinstance(each, Verified) and each.notice]
    assert len(heard) == 3
    assert len(notices) == 2
    assert notices[0] == notices[1]
    assert notices[0].reference == REFERENCE


def test_the_order_of_events_is_nobodys_to_count_on() -> None:
    first = []
    for seed in range(12):
        shop = Shop(seed=seed)
        shop.paid(a_card_attempt())
        first.append(json.loads(shop.notices()[0].body)["type"])

    assert len(set(first)) > 1


def test_an_event_that_comes_twice_says_the_same_twice(shop: Shop) -> None:
    shop.world.behave({"duplicate_ppm": 1_000_000})
    shop.paid(a_card_attempt())

    told = {each.notice for each in shop.heard() if isinstance(each, Verified)} - {None}

    assert len(told) == 1


def test_what_is_not_answered_is_said_again_for_days(shop: Shop) -> None:
    shop.paid(a_card_attempt())
    for notice in shop.world.due(shop.now):
        shop.world.answered(notice, 503, shop.now)
    shop.now += timedelta(minutes=6)

    again = shop.heard()  # signed anew: the first signatures are stale by now

    assert len(again) == 3
    assert all(isinstance(each, Verified) for each in again)


def test_a_completed_session_that_is_not_paid_says_nothing_about_money(shop: Shop) -> None:
    shop.paid(a_card_attempt())
    [event] = [
        json.loads(each.body)
        for each in shop.notices()
        if json.loads(each.body)["type"] == "checkout.session.completed"
    ]
    event["data"]["object"]["payment_status"] = "unpaid"

    heard = verified(shop, a_notice(event))

    assert heard.notice is None


def test_a_page_that_ended_is_told(shop: Shop) -> None:
    attempt = shop.ordered(a_card_attempt())
    shop.now = attempt.expires_at

    [heard] = shop.heard()

    assert isinstance(heard, Verified)
    assert (heard.expired, heard.notice) == (REFERENCE, None)


def test_a_refund_is_never_a_payment(shop: Shop) -> None:
    shop.paid(a_card_attempt())
    shop.notices()
    shop.world.press(Button.REFUND, REFERENCE, shop.now, amount_minor=300)
    shop.world.press(Button.REFUND, REFERENCE, shop.now, amount_minor=200)

    told = [each for each in shop.heard() if isinstance(each, Verified)]

    assert all(each.notice is None for each in told)
    refunds = [each.refund for each in told if each.refund]
    # Cumulative: the second says 500 and means 200.
    assert [(each.refunded_minor, each.is_total) for each in refunds] == [(300, True), (500, True)]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", RefundState.SENT),
        ("requires_action", RefundState.SENT),
        ("succeeded", RefundState.DONE),
        ("failed", RefundState.ABNORMAL),
        ("canceled", RefundState.CLOSED),
    ],
)
def test_a_refund_of_ours_is_told_by_our_reference(shop: Shop, status: str, state: RefundState) -> None:
    event = an_event(
        "refund.updated",
        id="re_1",
        payment_intent="pi_1",
        amount=300,
        currency="eur",
        status=status,
        metadata={"compuerta_order": REFERENCE, "compuerta_refund": "RF1"},
    )

    told = verified(shop, a_notice(event)).refund

    assert told is not None
    assert (told.refund_reference, told.refunded_minor, told.is_total) == ("RF1", 300, False)
    assert (told.state, told.transaction_no, told.reference) == (state, "pi_1", REFERENCE)


def test_a_dispute_is_opened_and_won_or_lost(shop: Shop) -> None:
    states = []
    for number, end in ((1, Button.DISPUTE_WON), (2, Button.DISPUTE_LOST)):
        reference = f"R2026112200000{number}"
        shop.paid(a_card_attempt(reference=reference))
        shop.notices()
        for button in (Button.DISPUTE, end):
            shop.world.press(button, reference, shop.now)
        disputes = [each.dispute for each in shop.heard() if isinstance(each, Verified) and each.dispute]
        states += [each.state for each in disputes]
        assert {each.transaction_no for each in disputes} == {shop.world.facts()[-1].transaction_no}
        assert {each.amount_minor for each in disputes} == {5000}

    assert states == [DisputeState.OPENED, DisputeState.WON, DisputeState.OPENED, DisputeState.LOST]


@pytest.mark.parametrize(
    "status", ["warning_needs_response", "warning_under_review", "warning_closed", "prevented"]
)
def test_an_inquiry_takes_no_money(shop: Shop, status: str) -> None:
    event = an_event(
        "charge.dispute.created", id="du_1", payment_intent="pi_1", amount=5, currency="eur", status=status
    )

    assert verified(shop, a_notice(event)).dispute is None


def test_another_shops_payment_on_the_account_is_none_of_ours(shop: Shop) -> None:
    assert verified(shop, a_notice(a_succeeded(metadata={}))).notice is None


def test_another_shops_subscription_may_look_as_it_likes(shop: Shop) -> None:
    event = an_event("checkout.session.completed", id="cs_1", amount_total=None, currency=None, mode="setup")

    assert verified(shop, a_notice(event)).notice is None


def test_the_amount_is_what_came_and_not_what_was_asked(shop: Shop) -> None:
    notice = verified(shop, a_notice(a_succeeded(amount=5000, amount_received=4000))).notice

    assert isinstance(notice, PaymentNotice)
    assert notice.amount_minor == 4000


def test_ugandan_shillings_come_in_hundredths(shop: Shop) -> None:
    notice = verified(shop, a_notice(a_succeeded(currency="ugx"))).notice

    assert notice is not None
    assert (notice.amount_minor, notice.currency) == (50, "UGX")
    half = a_notice(a_succeeded(currency="ugx", amount_received=5001))
    assert refused(shop, half) is Refusal.BODY_MALFORMED


def test_a_test_payment_is_never_live_money(shop: Shop) -> None:
    shop.world.behave({"other_mode": True})
    shop.paid(a_card_attempt())

    heard = shop.heard()

    assert {each.refusal for each in heard if isinstance(each, Rejected)} == {Refusal.MERCHANT_WRONG}
    assert len(heard) == 3


def test_an_event_of_a_connected_account_is_not_ours(shop: Shop) -> None:
    event = a_succeeded() | {"account": "acct_other"}

    assert refused(shop, a_notice(event)) is Refusal.MERCHANT_WRONG
    theirs = StripePay(replace(some_settings(), account="acct_other"))
    assert isinstance(theirs.hear(a_notice(event), now=NOON), Verified)


def test_while_a_secret_is_changed_either_one_is_believed(shop: Shop) -> None:
    shop.world.behave({"changing_secret": True})
    shop.paid(a_card_attempt())
    notice = shop.notices()[0]
    old = StripePay(replace(some_settings(), secrets=(b"whsec_of_last_year",)))
    both = StripePay(replace(some_settings(), secrets=(b"whsec_next", SECRET)))

    for provider in (shop.provider, old, both):
        assert isinstance(provider.hear(notice, now=NOON), Verified)


def test_a_strangers_notice_is_refused(shop: Shop) -> None:
    shop.paid(a_card_attempt())
    shop.notices()
    for button in (Button.STRANGER, Button.PROBE):
        shop.world.press(button, REFERENCE, shop.now)

    heard = shop.heard()

    assert [each.refusal for each in heard if isinstance(each, Rejected)] == [Refusal.SIGNATURE_WRONG] * 2


@pytest.mark.parametrize("late", [timedelta(seconds=301), timedelta(seconds=-301)])
def test_a_notice_is_believed_for_five_minutes_either_way(shop: Shop, late: timedelta) -> None:
    notice = a_notice(a_succeeded())

    edge = shop.provider.hear(notice, now=NOON + late * 300 // 301)
    beyond = shop.provider.hear(notice, now=NOON + late)

    assert isinstance(edge, Verified)
    assert isinstance(beyond, Rejected)
    assert beyond.refusal is Refusal.STALE


def test_a_body_that_was_written_anew_is_refused(shop: Shop) -> None:
    shop.paid(a_card_attempt())
    notice = shop.notices()[0]
    again = json.dumps(json.loads(notice.body)).encode()

    assert refused(shop, replace(notice, body=again)) is Refusal.SIGNATURE_WRONG


@pytest.mark.parametrize(
    "header",
    [
        "t=1",
        "v1=00",
        "t=,v1=00",
        "t=1,t=2,v1=00",
        "t=٣,v1=00",
        "t=1,v1=zz",
        "t=1;v1=00",
        "t=1,v0=00",
        "t=1," + "v1=00," * 20 + "v1=00",
        "x" * 5000,
        "t=99999999999999999999,v1=00",
    ],
)
def test_a_header_that_no_signer_writes_is_refused(shop: Shop, header: str) -> None:
    assert refused(shop, a_notice(a_succeeded(), header=header)) is Refusal.HEADER_MISSING


def test_a_notice_without_its_header_or_with_too_many_bytes_is_refused(shop: Shop) -> None:
    bare = HttpRequest(method="POST", path="/", body=b"{}")

    assert refused(shop, bare) is Refusal.HEADER_MISSING
    assert refused(shop, a_notice(b" " * 65_537)) is Refusal.TOO_LARGE


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_received": -1},
        {"amount_received": 10**15},
        {"amount_received": 50.0},
        {"amount_received": True},
        {"amount_received": "5000"},
        {"currency": None},
        {"id": ""},
        {"status": 1},
        {"metadata": []},
        {"metadata": {"compuerta_order": "\ud800"}},
        {"id": "pi_\x00"},
    ],
)
def test_a_signed_notice_that_is_not_what_the_api_says_is_refused(
    shop: Shop, changes: dict[str, object]
) -> None:
    assert refused(shop, a_notice(a_succeeded(**changes))) is Refusal.BODY_MALFORMED


def test_signed_bytes_that_are_no_event_are_refused(shop: Shop) -> None:
    for body in (b"", b"[]", b"\xff", b"{}", b'{"object":"event"}', b"[" * 5000):
        assert refused(shop, a_notice(body)) is Refusal.BODY_MALFORMED


@given_any(body=st.binary(max_size=60), header=st.text(max_size=60))
def test_any_bytes_are_verified_or_refused(body: bytes, header: str) -> None:
    provider = StripePay(some_settings())
    notice = HttpRequest(method="POST", path="/", headers={signature.HEADER: header}, body=body)

    assert isinstance(provider.hear(notice, now=NOON), Rejected)

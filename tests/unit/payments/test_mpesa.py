"""M-Pesa behind the port, against the simulated one: nothing that it tells unasked is ever a payment."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st
from tests.unit.payments.mpesa_side import (
    ADDRESS,
    NOTIFY_URL,
    SHORTCODE,
    Paybill,
    a_phone_attempt,
    some_settings,
)
from tests.unit.payments.wechat_side import NOON, a_chance, a_wish

from compuerta.adapters.payments.answering import AnswerUnusable, CurrencyNotTaken, ProviderBusy
from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.mpesa import (
    SAFARICOM,
    CentsNotTaken,
    MpesaPay,
    PhoneUnusable,
    SettingUnusable,
)
from compuerta.domain.payment import Claim, short_reference
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    NotOffered,
    NotReady,
    OrderState,
    PresentationKind,
    Refusal,
    Rejected,
    StatementFaulty,
    StatementKind,
    Verified,
)
from compuerta.virtual.providers.worlds import Button

REFERENCE = "R20261122000001"
SAMPLES = Path("../shared/samples/payments")
outside = pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not part of the project")


@pytest.fixture
def paybill() -> Paybill:
    return Paybill()


def at_the_door(what: str, body: bytes, *, secret: str = ADDRESS, peer: str = "") -> HttpRequest:
    return HttpRequest(method="POST", path=f"/notices/paybill/{secret}/{what}", body=body, peer=peer)


def a_confirmation(**changes: str) -> bytes:
    told = {
        "TransID": "SELFMADE02",
        "TransTime": "20261122100205",
        "TransAmount": "50.00",
        "BusinessShortCode": SHORTCODE,
        "BillRefNumber": "000000012345",
    }
    return json.dumps(told | changes).encode()


def refused(provider: MpesaPay, notice: HttpRequest) -> Refusal:
    heard = provider.hear(notice, now=NOON)
    assert isinstance(heard, Rejected), heard
    assert heard.answer.status >= 400
    return heard.refusal


def test_a_phone_is_asked_for_whole_shillings_and_the_order_in_short(paybill: Paybill) -> None:
    attempt = paybill.ordered(a_phone_attempt())

    sent = json.loads(paybill.sent[-1].body)
    assert (sent["Amount"], sent["PhoneNumber"], sent["PartyB"]) == (50, "254712345678", SHORTCODE)
    assert sent["AccountReference"] == short_reference(REFERENCE)
    assert len(sent["AccountReference"]) == 12
    assert sent["Timestamp"] == "20261122070000"  # East African
    assert (attempt.presented or "").startswith("ws_CO_")


@pytest.mark.parametrize("payer", ["0712345678", "254712345678", "+254 712 345 678", "712345678"])
def test_a_number_is_taken_as_people_write_it(paybill: Paybill, payer: str) -> None:
    paybill.ordered(a_phone_attempt(payer=payer))

    assert json.loads(paybill.sent[-1].body)["PartyA"] == "254712345678"


@pytest.mark.parametrize("payer", ["", "1234", "+8613800138000", "07123456789", "o'hara"])
def test_a_number_that_no_wallet_has_is_refused(paybill: Paybill, payer: str) -> None:
    with pytest.raises(PhoneUnusable):
        paybill.ordered(a_phone_attempt(payer=payer))

    assert paybill.sent == []


def test_cents_and_other_currencies_are_refused_before_a_phone_is_asked(paybill: Paybill) -> None:
    with pytest.raises(CentsNotTaken):
        paybill.ordered(a_phone_attempt(amount_minor=5050))
    with pytest.raises(CurrencyNotTaken):
        paybill.ordered(replace(a_phone_attempt(), currency="UGX"))

    assert paybill.sent == []


def test_a_phone_that_is_being_asked_is_not_asked_again(paybill: Paybill) -> None:
    attempt = paybill.ordered(a_phone_attempt())

    again = paybill.ordered(attempt)

    assert again.presented == attempt.presented
    assert len(paybill.world.shown(NOON, limit=9)) == 1


def test_a_paid_prompt_is_known_by_its_receipt(paybill: Paybill) -> None:
    attempt = paybill.ordered(a_phone_attempt())
    before = paybill.asked(attempt)
    paybill.world.press(Button.PAY, REFERENCE, paybill.now)

    after = paybill.asked(attempt)

    assert before.state is OrderState.NOT_PAID
    assert after.paid is not None
    [fact] = paybill.world.facts()
    assert (after.paid.transaction_no, after.paid.reference) == (fact.transaction_no, REFERENCE)
    assert (after.paid.amount_minor, after.paid.currency) == (5000, "KES")


def test_a_receipt_that_is_not_listed_yet_is_not_known(paybill: Paybill) -> None:
    attempt = paybill.ordered(a_phone_attempt())
    paybill.world.behave({"listed_late_ms": 60_000})
    paybill.world.press(Button.PAY, REFERENCE, paybill.now)

    early = paybill.asked(attempt)
    paybill.now += timedelta(minutes=1)

    assert early.state is OrderState.UNKNOWN
    assert paybill.asked(attempt).state is OrderState.PAID


@pytest.mark.parametrize("button", [Button.CANCEL, Button.REFUSE])
def test_a_prompt_that_was_turned_down_is_closed(paybill: Paybill, button: Button) -> None:
    attempt = paybill.ordered(a_phone_attempt())
    paybill.world.press(button, REFERENCE, paybill.now)

    assert paybill.asked(attempt).state is OrderState.CLOSED


def test_a_prompt_that_nobody_answers_closes_by_itself(paybill: Paybill) -> None:
    attempt = paybill.ordered(a_phone_attempt())
    paybill.now += timedelta(minutes=2)

    answer = paybill.ask(paybill.provider.close(attempt, now=paybill.now, chance=a_chance()))

    assert answer.state is OrderState.CLOSED
    assert "1037" in answer.reason


@pytest.mark.parametrize("code", ["17", "9999", "500", "x"])
def test_a_code_that_nobody_has_explained_ends_no_order(paybill: Paybill, code: str) -> None:
    attempt = paybill.ordered(a_phone_attempt())
    told = {"CheckoutRequestID": attempt.presented, "ResultCode": code, "ResultDesc": "?"}
    steps = paybill.provider.query(attempt, now=NOON, chance=a_chance())

    answer = converse_with(steps, lambda _: HttpResponse(status=200, body=json.dumps(told).encode()))

    assert answer.state is OrderState.UNKNOWN


def test_late_success_after_a_prompt_is_over_is_claimed_and_true(paybill: Paybill) -> None:
    paybill.ordered(a_phone_attempt())
    paybill.now += timedelta(minutes=2)
    paybill.world.due(paybill.now)
    paybill.world.press(Button.PAY_LATE, REFERENCE, paybill.now)

    claims = paybill.claims()

    assert {claim.reference for claim in claims} == {REFERENCE, ""}
    for claim in claims:
        answer = paybill.confirmed(claim)
        assert answer.paid is not None
        assert answer.paid.payee == short_reference(REFERENCE)


def test_a_prompt_whose_name_was_lost_is_found_by_its_order(paybill: Paybill) -> None:
    paybill.ordered(a_phone_attempt())
    paybill.world.press(Button.PAY, REFERENCE, paybill.now)

    answer = paybill.asked(a_phone_attempt())

    assert answer.state is OrderState.PAID


def test_an_attempt_whose_prompt_was_never_placed_is_closed_long_after(paybill: Paybill) -> None:
    attempt = a_phone_attempt()
    early = paybill.ask(paybill.provider.close(attempt, now=attempt.expires_at, chance=a_chance()))
    paybill.now = attempt.expires_at + timedelta(hours=3)
    late = paybill.ask(paybill.provider.close(attempt, now=paybill.now, chance=a_chance()))

    assert (early.state, late.state) == (OrderState.UNKNOWN, OrderState.CLOSED)


def test_an_unsigned_success_is_a_claim_and_never_a_payment(paybill: Paybill) -> None:
    paybill.ordered(a_phone_attempt())
    paybill.world.press(Button.PAY, REFERENCE, paybill.now)

    heard = paybill.heard()

    assert len(heard) == 2  # by the prompt's address, and by the registered one
    for each in heard:
        assert isinstance(each, Verified)
        assert each.notice is None
        assert each.claim is not None


def test_an_unsigned_end_closes_nothing(paybill: Paybill) -> None:
    paybill.ordered(a_phone_attempt())
    paybill.world.press(Button.CANCEL, REFERENCE, paybill.now)

    [heard] = paybill.heard()

    assert isinstance(heard, Verified)
    assert (heard.notice, heard.claim, heard.expired) == (None, None, "")
    assert heard.event == "stk.1032"


def test_a_forged_success_is_denied_once_the_list_of_its_hour_is_whole(paybill: Paybill) -> None:
    paybill.ordered(a_phone_attempt())
    paybill.world.press(Button.FORGE, REFERENCE, paybill.now)
    [claim] = paybill.claims()

    at_once = paybill.confirmed(claim)
    paybill.now += timedelta(hours=2)
    later = paybill.confirmed(claim)

    assert (at_once.state, at_once.paid) == (OrderState.NOT_PAID, None)
    assert (later.state, later.paid) == (OrderState.CLOSED, None)


def test_a_claim_with_another_amount_brings_what_was_truly_paid(paybill: Paybill) -> None:
    paybill.world.press(Button.SEND, "000000012345", paybill.now, amount_minor=5000)
    [claim] = paybill.claims()

    answer = paybill.confirmed(replace(claim, amount_minor=999_900, payee="000000099999"))

    assert answer.paid is not None
    assert (answer.paid.amount_minor, answer.paid.payee) == (5000, "000000012345")


def test_a_claim_of_somebody_elses_receipt_names_whom_that_was_for(paybill: Paybill) -> None:
    paybill.ordered(a_phone_attempt())
    paybill.world.press(Button.SEND, "000000012345", paybill.now, amount_minor=5000)
    [claim] = paybill.claims()

    answer = paybill.confirmed(replace(claim, reference=REFERENCE))

    assert answer.paid is not None
    assert (answer.paid.reference, answer.paid.payee) == ("", "000000012345")


def test_a_claim_of_the_future_is_denied_and_one_of_long_ago_is_not_known(paybill: Paybill) -> None:
    paybill.world.press(Button.SEND, "000000012345", paybill.now, amount_minor=5000)
    [claim] = paybill.claims()

    future = paybill.confirmed(replace(claim, paid_at=NOON + timedelta(days=1)))
    past = paybill.confirmed(replace(claim, paid_at=NOON - timedelta(days=3)))

    assert (future.state, past.state) == (OrderState.CLOSED, OrderState.UNKNOWN)


def test_a_claim_is_looked_for_in_a_long_list(paybill: Paybill) -> None:
    for number in range(250):
        paybill.world.press(Button.SEND, f"{number:012d}", paybill.now, amount_minor=100)
    last = paybill.claims()[-1]

    answer = paybill.confirmed(last)

    assert answer.paid is not None
    assert answer.paid.payee == f"{249:012d}"


def test_an_account_number_is_told_before_money_moves(paybill: Paybill) -> None:
    heard = paybill.provider.hear(at_the_door("validate", a_confirmation()), now=NOON)

    assert isinstance(heard, Verified)
    assert heard.question is not None
    assert (heard.claim, heard.notice) == (None, None)
    assert heard.question.payee == "000000012345"
    assert json.loads(heard.question.known.body) == {"ResultCode": 0, "ResultDesc": "Accepted"}
    assert json.loads(heard.question.unknown.body)["ResultCode"] == "C2B00012"
    assert heard.question.unknown.status == 200  # any other, and the money is taken


def test_a_payer_who_mistyped_keeps_their_money_where_it_is_asked_first(paybill: Paybill) -> None:
    paybill.world.behave({"validates": True})
    for payee, is_known in (("typo", False), ("000000012345", True)):
        paybill.world.press(Button.SEND, payee, paybill.now, amount_minor=5000)
        [notice] = paybill.world.due(paybill.now)
        heard = paybill.provider.hear(notice.request, now=NOON)
        assert isinstance(heard, Verified)
        assert heard.question is not None
        answer = heard.question.known if is_known else heard.question.unknown
        paybill.world.answered(notice, answer.status, paybill.now, body=answer.body)

    assert [claim.payee for claim in paybill.claims()] == ["000000012345"]
    assert len(paybill.world.facts()) == 1


def test_who_cannot_be_asked_has_agreed_and_the_money_is_taken(paybill: Paybill) -> None:
    paybill.world.behave({"validates": True})
    paybill.world.press(Button.SEND, "typo", paybill.now, amount_minor=5000)
    [notice] = paybill.world.due(paybill.now)

    paybill.world.answered(notice, 0, paybill.now)

    assert len(paybill.world.facts()) == 1


def test_an_accepted_message_is_answered_as_daraja_wants_it(paybill: Paybill) -> None:
    assert paybill.provider.answer(accepted=True).body == b'{"ResultCode":0,"ResultDesc":"Accepted"}'
    assert paybill.provider.answer(accepted=False).status == 503


def test_only_who_knows_the_secret_address_is_heard(paybill: Paybill) -> None:
    for secret in ("", "guess", ADDRESS[:-1], ADDRESS + "x"):
        notice = at_the_door("confirm", a_confirmation(), secret=secret)
        assert refused(paybill.provider, notice) is Refusal.KEY_UNKNOWN


def test_a_strangers_callback_is_refused(paybill: Paybill) -> None:
    paybill.ordered(a_phone_attempt())
    paybill.world.press(Button.STRANGER, REFERENCE, paybill.now)

    [heard] = paybill.heard()

    assert isinstance(heard, Rejected)
    assert heard.refusal is Refusal.KEY_UNKNOWN


def test_only_the_addresses_that_are_named_are_heard() -> None:
    picky = MpesaPay(replace(some_settings(), addresses=SAFARICOM))

    for peer in ("", "203.0.113.7", "not an address", "::1"):
        notice = at_the_door("confirm", a_confirmation(), peer=peer)
        assert refused(picky, notice) is Refusal.KEY_UNKNOWN
    known = at_the_door("confirm", a_confirmation(), peer="196.201.214.200")
    assert isinstance(picky.hear(known, now=NOON), Verified)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"", Refusal.BODY_MALFORMED),
        (b"[]", Refusal.BODY_MALFORMED),
        (a_confirmation(TransAmount="50.005"), Refusal.BODY_MALFORMED),
        (a_confirmation(TransAmount="-50.00"), Refusal.BODY_MALFORMED),
        (a_confirmation(TransAmount="0.00"), Refusal.BODY_MALFORMED),
        (a_confirmation(TransAmount="1e3"), Refusal.BODY_MALFORMED),
        (a_confirmation(TransTime="20261322100205"), Refusal.BODY_MALFORMED),
        (a_confirmation(TransTime="٢٠٢٦١١٢٢١٠٠٢٠٥"), Refusal.BODY_MALFORMED),
        (a_confirmation(TransID=""), Refusal.BODY_MALFORMED),
        (a_confirmation(TransID="X" * 65), Refusal.BODY_MALFORMED),
        (a_confirmation(BusinessShortCode="600639"), Refusal.MERCHANT_WRONG),
        (b" " * 20_000, Refusal.TOO_LARGE),
    ],
)
def test_a_message_that_cannot_be_read_is_refused(paybill: Paybill, body: bytes, refusal: Refusal) -> None:
    assert refused(paybill.provider, at_the_door("confirm", body)) is refusal


def test_an_address_that_nobody_was_told_is_refused(paybill: Paybill) -> None:
    for what in ("", "stk", "other", "confirm/more"):
        assert refused(paybill.provider, at_the_door(what, b"{}")) is Refusal.BODY_MALFORMED


@given_any(body=st.binary(max_size=80), what=st.sampled_from(["stk/R2026112200", "confirm", "validate"]))
def test_any_bytes_are_refused_or_a_claim(body: bytes, what: str) -> None:
    heard = MpesaPay(some_settings()).hear(at_the_door(what, body), now=NOON)

    assert isinstance(heard, Rejected) or heard.notice is None


@pytest.mark.parametrize(
    "notify_url",
    ["https://pay.example.org/notices/mpesa", "https://safaricom.example.org/x", "https://a.org/sql"],
)
def test_an_address_that_daraja_does_not_take_is_refused_at_once(notify_url: str) -> None:
    with pytest.raises(SettingUnusable):
        MpesaPay(replace(some_settings(), notify_url=notify_url))


def test_a_guessable_secret_and_no_network_are_refused() -> None:
    with pytest.raises(SettingUnusable):
        MpesaPay(replace(some_settings(), secret="short"))
    with pytest.raises(SettingUnusable):
        MpesaPay(replace(some_settings(), addresses=("safaricom",)))


def test_one_token_serves_many_requests_until_it_ends(paybill: Paybill) -> None:
    attempt = paybill.ordered(a_phone_attempt())
    for _ in range(3):
        paybill.asked(attempt)
    within = [each.path for each in paybill.sent if each.path.startswith("/oauth")]
    paybill.now += timedelta(hours=1)
    paybill.asked(attempt)

    assert len(within) == 1
    assert len([each for each in paybill.sent if each.path.startswith("/oauth")]) == 2


def test_a_token_that_was_withdrawn_is_fetched_anew(paybill: Paybill) -> None:
    attempt = paybill.ordered(a_phone_attempt())
    paybill.world.behave({"tokens_end": True})
    paybill.world.press(Button.PAY, REFERENCE, paybill.now)

    assert paybill.asked(attempt).state is OrderState.PAID


@pytest.mark.parametrize("fault", ["refuse_next", "fail_next"])
def test_a_provider_out_of_order_is_asked_again(paybill: Paybill, fault: str) -> None:
    attempt = paybill.ordered(a_phone_attempt())
    paybill.world.behave({fault: 1})

    with pytest.raises(ProviderBusy):
        paybill.asked(attempt)

    assert paybill.asked(attempt).state is OrderState.NOT_PAID


def test_a_busy_phone_is_told_apart_from_a_refusal(paybill: Paybill) -> None:
    paybill.ordered(a_phone_attempt())

    with pytest.raises(ProviderBusy):
        paybill.ordered(a_phone_attempt(reference="R20261122000002"))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"ResponseCode":"1000","Response":7}', b"\xff"])
def test_a_list_that_is_none_denies_nothing(paybill: Paybill, body: bytes) -> None:
    paybill.world.press(Button.SEND, "000000012345", paybill.now, amount_minor=5000)
    [claim] = paybill.claims()
    paybill.confirmed(claim)  # it has its token now
    steps = paybill.provider.confirm(claim, now=NOON + timedelta(minutes=5), chance=a_chance())

    with pytest.raises(AnswerUnusable):
        converse_with(steps, lambda _: HttpResponse(status=200, body=body))


def test_a_bill_lists_a_day_of_nairobi(paybill: Paybill) -> None:
    midnight = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
    for at in (midnight - timedelta(seconds=1), midnight):
        paybill.world.press(Button.SEND, "000000012345", at, amount_minor=5050)
    paybill.now = midnight + timedelta(hours=2)
    day = date(2026, 11, 22)
    steps = paybill.provider.statement(day, StatementKind.TRADE, now=paybill.now, chance=a_chance())

    bill = paybill.ask(steps)

    [line] = paybill.provider.lines(bill, StatementKind.TRADE)
    assert (line.amount_minor, line.reference, line.at) == (
        5050, "000000012345", midnight - timedelta(seconds=1),
    )  # fmt: skip
    assert b"254712345678" not in bill  # nobody's number is kept
    for damaged in (bill[:-5], bill.splitlines(keepends=True)[-1], bill + bill):
        with pytest.raises(StatementFaulty):
            list(paybill.provider.lines(damaged, StatementKind.TRADE))


@pytest.mark.parametrize(
    ("day", "kind", "refusal"),
    [
        (date(2026, 11, 22), StatementKind.TRADE, NotReady),
        (date(2026, 11, 18), StatementKind.TRADE, NotOffered),
        (date(2026, 11, 21), StatementKind.FUND, NotOffered),
    ],
)
def test_a_bill_that_is_not_there_is_refused(
    paybill: Paybill, day: date, kind: StatementKind, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        paybill.ask(paybill.provider.statement(day, kind, now=NOON, chance=a_chance()))


def test_refunds_are_not_offered_and_the_capabilities_say_so(paybill: Paybill) -> None:
    assert not paybill.provider.capabilities.refunds
    for ask in (paybill.provider.refund, paybill.provider.query_refund):
        with pytest.raises(NotOffered):
            paybill.ask(ask(a_wish(transaction_no="SIM1"), now=NOON, chance=a_chance()))


def test_a_self_test_tells_of_keys_and_lists(paybill: Paybill) -> None:
    wrong = MpesaPay(replace(some_settings(), consumer_secret="wrong"))

    good = paybill.ask(paybill.provider.self_test(now=NOON, chance=a_chance()))
    bad = paybill.ask(wrong.self_test(now=NOON, chance=a_chance()))

    assert [(check.name, check.ok) for check in good] == [("key", True), ("transactions", True)]
    assert [(check.name, check.ok) for check in bad] == [("key", False)]


def test_addresses_are_registered_once(paybill: Paybill) -> None:
    unregistered = Paybill(registered="")
    unregistered.world.press(Button.SEND, "000000012345", NOON, amount_minor=5000)
    assert unregistered.notices() == []

    first = unregistered.ask(unregistered.provider.register(now=NOON))
    again = unregistered.ask(unregistered.provider.register(now=NOON))
    unregistered.world.press(Button.SEND, "000000012345", NOON, amount_minor=5000)

    assert [(check.name, check.ok) for check in first] == [("addresses", True), ("transactions", True)]
    assert [check.ok for check in again] == [False, True]
    assert [notice.path for notice in unregistered.notices()] == [f"/notices/paybill/{ADDRESS}/confirm"]


def test_nothing_secret_is_shown() -> None:
    shown = repr(some_settings())

    for secret in ("passkey", ADDRESS, "consumer", "='secret'"):
        assert secret not in shown
    assert NOTIFY_URL not in shown


@outside
@pytest.mark.outside
def test_the_sample_of_a_paid_prompt_is_a_claim() -> None:
    body = (SAMPLES / "mpesa_stk_callback_success.json").read_bytes()

    heard = MpesaPay(some_settings()).hear(at_the_door(f"stk/{REFERENCE}", body), now=NOON)

    assert isinstance(heard, Verified)
    assert heard.notice is None
    assert heard.claim == Claim(
        provider="paybill",
        transaction_no="SELFMADE01",
        reference=REFERENCE,
        amount_minor=5000,
        currency="KES",
        paid_at=datetime(2026, 11, 22, 7, 0, 5, tzinfo=UTC),
    )


@outside
@pytest.mark.outside
def test_the_sample_of_a_cancelled_prompt_says_nothing_about_money() -> None:
    body = (SAMPLES / "mpesa_stk_callback_cancelled.json").read_bytes()

    heard = MpesaPay(some_settings()).hear(at_the_door(f"stk/{REFERENCE}", body), now=NOON)

    assert isinstance(heard, Verified)
    assert (heard.notice, heard.claim, heard.event) == (None, None, "stk.1032")


@outside
@pytest.mark.outside
def test_the_sample_of_money_that_a_payer_sent_is_a_claim() -> None:
    body = (SAMPLES / "mpesa_c2b_confirmation.json").read_bytes()

    heard = MpesaPay(some_settings()).hear(at_the_door("confirm", body), now=NOON)

    assert isinstance(heard, Verified)
    assert heard.notice is None
    assert heard.claim is not None
    assert (heard.claim.payee, heard.claim.amount_minor) == ("000000012345", 5000)
    assert heard.claim.reference == ""


def test_a_prompt_is_shown_as_a_prompt(paybill: Paybill) -> None:
    shown = paybill.ask(paybill.provider.create(a_phone_attempt(), now=NOON, chance=a_chance()))

    assert shown.kind is PresentationKind.PROMPT

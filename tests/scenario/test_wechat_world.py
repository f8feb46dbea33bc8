"""The simulated WeChat Pay keeps the documented rules, and our client lives through its bad days."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.payments.wechat_side import (
    NOON,
    a_chance,
    a_cheap_pair,
    a_provider,
    a_world,
    an_attempt,
    real_keys,
)

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.wechat import WechatPay
from compuerta.adapters.payments.wechat_account import AnswerForged, OrderRefused, ProviderBusy
from compuerta.domain.payment import Attempt
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    OrderAnswer,
    OrderState,
    Refusal,
    Rejected,
    Verified,
)
from compuerta.virtual.providers.notices import BehaviourMalformed, DueNotice, NoticeKind
from compuerta.virtual.wechat.notices import REPEATS_S
from compuerta.virtual.wechat.placed import PaymentImpossible, PayRefusal
from compuerta.virtual.wechat.world import WechatWorld
from compuerta.wire.wechat import bodies, signature
from compuerta.wire.wechat.bodies import TradeState
from compuerta.wire.wechat.keys import RsaSigner

REFERENCE = an_attempt().reference


class Counter:
    """One provider before one world, with a clock that the test sets."""

    def __init__(self, world: WechatWorld, provider: WechatPay) -> None:
        self.world = world
        self.provider = provider
        self.now = NOON

    def create(self, attempt: Attempt | None = None) -> str:
        steps = self.provider.create(attempt or an_attempt(), now=self.now, chance=a_chance())
        return converse_with(steps, self._answer).content

    def query(self) -> OrderAnswer:
        steps = self.provider.query(an_attempt(), now=self.now, chance=a_chance())
        return converse_with(steps, self._answer)

    def close(self) -> OrderAnswer:
        steps = self.provider.close(an_attempt(), now=self.now, chance=a_chance())
        return converse_with(steps, self._answer)

    def wait(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def hear(self, notice: DueNotice) -> Verified | Rejected:
        return self.provider.hear(notice.request, now=self.now)

    def run_until_quiet(self) -> list[tuple[DueNotice, Verified | Rejected]]:
        """Hear and answer all notices until none is left; a run of more than 200 steps has lost its way."""
        heard = []
        for _ in range(200):
            wake_at = self.world.wake_at()
            if wake_at is None:
                return heard
            self.now = max(self.now, wake_at)
            for notice in self.world.due(self.now):
                verdict = self.hear(notice)
                genuine = isinstance(verdict, Verified)
                answer = self.provider.answer(accepted=True) if genuine else verdict.answer  # type: ignore[union-attr]
                self.world.answered(notice, answer.status, self.now)
                heard.append((notice, verdict))
        raise AssertionError("the notices never come to an end")

    def _answer(self, request: HttpRequest) -> HttpResponse:
        return self.world.answer(request, self.now)


def a_counter(*, seed: int = 1) -> Counter:
    return Counter(a_world(seed=seed), a_provider())


def a_cheap_counter(*, seed: int = 1) -> Counter:
    return Counter(*a_cheap_pair(seed=seed))


def code_of(response: HttpResponse) -> str:
    return bodies.parse_refusal(response.body).code


# The way of one payment


def test_a_payer_scans_pays_and_the_merchant_hears_it() -> None:
    counter = a_counter()
    code_url = counter.create()

    counter.world.pay(code_url, counter.now, discount_fen=100)
    heard = counter.run_until_quiet()

    assert [(verdict.notice.amount_minor, verdict.event) for _, verdict in heard] == [  # type: ignore[union-attr]
        (5000, "TRANSACTION.SUCCESS")
    ]
    assert counter.world.tally.accepted == 1
    assert counter.query().state is OrderState.PAID


@pytest.mark.parametrize("share_ppm", [0, 500_000, 1_000_000])
def test_notices_are_believed_under_the_public_key_the_certificate_and_any_mix(share_ppm: int) -> None:
    counter = a_counter()
    counter.world.behave({"certificate_ppm": share_ppm, "duplicate_ppm": 1_000_000})
    counter.create()
    counter.world.pay(REFERENCE, counter.now)
    for _ in range(4):
        counter.world.repeat(REFERENCE, counter.now)

    heard = counter.run_until_quiet()

    serials = {notice.request.headers[signature.SERIAL] for notice, _ in heard}
    assert len(heard) == 10
    assert all(isinstance(verdict, Verified) for _, verdict in heard)
    assert len(serials) == (2 if share_ppm == 500_000 else 1)


def test_an_order_placed_again_has_a_fresh_qr_and_the_old_one_is_void() -> None:
    counter = a_counter()
    old = counter.create()
    counter.wait(minutes=1)

    fresh = counter.create()

    assert fresh != old
    with pytest.raises(PaymentImpossible) as refused:
        counter.world.pay(old, counter.now)
    assert refused.value.refusal is PayRefusal.CODE_VOID
    assert counter.world.pay(fresh, counter.now).state is TradeState.SUCCESS


def test_an_order_by_qr_ends_with_its_qr_however_long_the_attempt_lives() -> None:
    counter = a_counter()
    attempt = replace(an_attempt(), expires_at=NOON + timedelta(hours=3))
    code_url = counter.create(attempt)
    counter.wait(hours=2)

    with pytest.raises(PaymentImpossible) as refused:
        counter.world.pay(code_url, counter.now)

    assert refused.value.refusal is PayRefusal.EXPIRED
    with pytest.raises(OrderRefused):
        counter.create(attempt)


def test_an_order_cannot_be_paid_after_its_expiry_which_is_no_close() -> None:
    counter = a_counter()
    code_url = counter.create()
    counter.wait(minutes=30)

    with pytest.raises(PaymentImpossible) as refused:
        counter.world.pay(code_url, counter.now)

    assert refused.value.refusal is PayRefusal.EXPIRED
    assert counter.query().state is OrderState.NOT_PAID
    assert counter.close().state is OrderState.CLOSED
    assert counter.query().state is OrderState.CLOSED


def test_a_closed_order_cannot_be_paid_and_may_be_closed_again() -> None:
    counter = a_counter()
    code_url = counter.create()

    assert [counter.close().state, counter.close().state] == [OrderState.CLOSED] * 2

    with pytest.raises(PaymentImpossible) as refused:
        counter.world.pay(code_url, counter.now)
    assert refused.value.refusal is PayRefusal.CLOSED
    with pytest.raises(OrderRefused):
        counter.create()
    assert counter.run_until_quiet() == []


def test_an_order_is_paid_once() -> None:
    counter = a_counter()
    code_url = counter.create()
    counter.world.pay(code_url, counter.now)

    with pytest.raises(PaymentImpossible) as refused:
        counter.world.pay(code_url, counter.now, payer="oAnother")

    assert refused.value.refusal is PayRefusal.PAID_ALREADY
    assert len(counter.run_until_quiet()) == 1


def test_a_payer_who_leaves_changes_nothing() -> None:
    counter = a_counter()
    code_url = counter.create()

    counter.world.cancel(code_url, counter.now)

    assert counter.query().state is OrderState.NOT_PAID
    assert counter.run_until_quiet() == []
    assert counter.world.pay(code_url, counter.now).cancels == 1


def test_a_payer_who_is_faster_than_the_close_has_paid() -> None:
    counter = a_counter()
    counter.create()
    counter.world.behave({"race_on_close": True})

    closed = counter.close()

    assert closed.state is OrderState.PAID
    assert closed.paid is not None and closed.paid.amount_minor == 5000
    assert len(counter.run_until_quiet()) == 1


def test_a_refund_by_hand_is_an_event_without_money_and_the_order_is_for_a_person() -> None:
    counter = a_counter()
    counter.create()
    counter.world.pay(REFERENCE, counter.now)
    counter.run_until_quiet()

    counter.world.refund(REFERENCE, counter.now)
    ((_, heard),) = counter.run_until_quiet()

    assert isinstance(heard, Verified) and heard.refund is not None
    assert (heard.notice, heard.event) == (None, "REFUND.SUCCESS")
    assert (heard.refund.refunded_minor, heard.refund.is_total) == (5000, False)
    assert counter.query() == OrderAnswer(state=OrderState.UNKNOWN)


# Notices on bad days


def test_an_unanswered_notice_is_repeated_on_the_documented_schedule_and_then_never() -> None:
    counter = a_cheap_counter()
    counter.create()
    counter.world.pay(REFERENCE, counter.now)
    sent = []

    while (wake_at := counter.world.wake_at()) is not None:
        counter.now = wake_at
        for notice in counter.world.due(counter.now):
            sent.append(counter.now)
            counter.world.answered(notice, 500, counter.now)

    waits_s = [int((later - earlier).total_seconds()) for earlier, later in itertools.pairwise(sent)]
    assert waits_s == list(REPEATS_S)
    assert sum(waits_s) == 24 * 3600 + 4 * 60
    assert counter.world.tally.given_up == 1
    assert counter.query().state is OrderState.PAID


def test_every_repeat_is_stamped_anew_so_that_a_late_one_is_fresh() -> None:
    counter = a_counter()
    counter.create()
    counter.world.pay(REFERENCE, counter.now)
    (first,) = counter.world.due(counter.now)
    counter.world.answered(first, 0, counter.now)
    for _ in REPEATS_S[1:6]:  # past the first repeat that is more than five minutes after the first notice
        counter.now = counter.world.wake_at() or counter.now
        (repeat,) = counter.world.due(counter.now)
        counter.world.answered(repeat, 500, counter.now)

    assert isinstance(counter.hear(repeat), Verified)
    assert isinstance(counter.hear(first), Rejected)
    assert repeat.request.body == first.request.body


@pytest.mark.parametrize("status", [201, 202, 301, 400, 401, 500, 503])
def test_any_answer_but_200_and_204_is_a_failure(status: int) -> None:
    counter = a_cheap_counter()
    counter.create()
    counter.world.pay(REFERENCE, counter.now)
    (notice,) = counter.world.due(counter.now)

    counter.world.answered(notice, status, counter.now)

    assert counter.world.wake_at() == NOON + timedelta(seconds=15)


@pytest.mark.parametrize("status", [200, 204])
def test_an_accepted_notice_is_not_repeated(status: int) -> None:
    counter = a_cheap_counter()
    counter.create()
    counter.world.pay(REFERENCE, counter.now)
    (notice,) = counter.world.due(counter.now)

    counter.world.answered(notice, status, counter.now + timedelta(seconds=4))

    assert counter.world.wake_at() is None


def test_an_answer_after_five_seconds_is_no_answer() -> None:
    counter = a_cheap_counter()
    counter.create()
    counter.world.pay(REFERENCE, counter.now)
    (notice,) = counter.world.due(counter.now)

    counter.world.answered(notice, 204, counter.now + timedelta(seconds=5))

    assert counter.world.wake_at() == NOON + timedelta(seconds=20)
    assert counter.world.tally.accepted == 0


def test_a_late_answer_does_not_stand_for_the_repeat_that_is_under_way() -> None:
    counter = a_cheap_counter()
    counter.create()
    counter.world.pay(REFERENCE, counter.now)
    (first,) = counter.world.due(counter.now)
    counter.wait(seconds=5 + 15)
    (repeat,) = counter.world.due(counter.now)

    counter.world.answered(first, 204, counter.now)

    assert (first.tries, repeat.tries) == (0, 1)
    assert counter.world.tally.accepted == 0


def test_a_lost_notice_is_made_good_by_a_repeat() -> None:
    counter = a_cheap_counter()
    counter.world.behave({"lost_ppm": 1_000_000})
    counter.create()
    counter.world.pay(REFERENCE, counter.now)

    assert counter.world.due(counter.now) == []
    counter.world.behave({"lost_ppm": 0})
    heard = counter.run_until_quiet()

    assert [notice.tries for notice, _ in heard] == [1]


def test_a_duplicate_is_the_same_notification_with_a_signature_of_its_own() -> None:
    counter = a_counter()
    counter.world.behave({"duplicate_ppm": 1_000_000})
    counter.create()
    counter.world.pay(REFERENCE, counter.now)

    one, other = counter.run_until_quiet()

    assert one[0].request.body == other[0].request.body
    assert one[0].request.headers[signature.NONCE] != other[0].request.headers[signature.NONCE]
    assert one[1] == other[1]


def test_late_notices_may_change_places() -> None:
    orders = []
    for seed in range(20):
        counter = a_cheap_counter(seed=seed)
        counter.world.behave({"late_ms_max": 60_000})
        for reference in ("R-first", "R-second"):
            counter.create(an_attempt(reference=reference))
            counter.world.pay(reference, counter.now)
        heard = [verdict for _, verdict in counter.run_until_quiet()]
        orders.append([verdict.notice.reference for verdict in heard])  # type: ignore[union-attr]

    assert ["R-first", "R-second"] in orders
    assert ["R-second", "R-first"] in orders


def test_a_probe_is_refused_and_the_notice_beside_it_is_believed() -> None:
    counter = a_counter()
    counter.world.behave({"probe_ppm": 1_000_000})
    counter.create()
    counter.world.pay(REFERENCE, counter.now)

    heard = counter.run_until_quiet()

    verdicts = {notice.kind: verdict for notice, verdict in heard}
    probe = verdicts[NoticeKind.PROBE]
    assert isinstance(probe, Rejected) and probe.refusal is Refusal.PROBE
    assert isinstance(verdicts[NoticeKind.EVENT], Verified)
    assert (counter.world.tally.probes_refused, counter.world.tally.probes_accepted) == (1, 0)


def test_a_merchant_who_accepts_a_probe_is_found_out() -> None:
    counter = a_cheap_counter()
    counter.create()
    counter.world.pay(REFERENCE, counter.now)
    counter.run_until_quiet()
    counter.world.probe(REFERENCE, counter.now)

    (probe,) = counter.world.due(counter.now)
    counter.world.answered(probe, 204, counter.now)

    assert counter.world.tally.probes_accepted == 1


def test_a_forged_amount_under_a_good_signature_is_for_whoever_compares_amounts() -> None:
    counter = a_counter()
    counter.create()
    counter.world.pay(REFERENCE, counter.now)
    counter.run_until_quiet()

    counter.world.forge(REFERENCE, counter.now, total_fen=1)
    ((_, verdict),) = counter.run_until_quiet()

    assert isinstance(verdict, Verified) and verdict.notice is not None
    assert verdict.notice.amount_minor == 1


# The door


def a_signed_request(**changes: object) -> HttpRequest:
    provider = a_provider()
    request = next(provider.create(an_attempt(), now=NOON, chance=a_chance()))
    parts = {"method": request.method, "path": request.path, "headers": request.headers, "body": request.body}
    return HttpRequest(**(parts | changes))  # type: ignore[arg-type]


def resigned(
    body: bytes,
    *,
    path: str = "/v3/pay/transactions/native",
    method: str = "POST",
    mchid: str = "1900000001",
    serial: str = "",
) -> HttpRequest:
    """A request with any body, path and name, signed with the merchant's own key."""
    keys = real_keys()
    stamp = signature.stamp(now=NOON, chance=b"nonce")
    header = signature.authorization(
        signature.Merchant(mchid=mchid, serial=serial or keys.merchant_serial),
        stamp=stamp,
        message=signature.request_message(method=method, path=path, stamp=stamp, body=body),
        signer=RsaSigner(keys.merchant_key_pem),
    )
    headers = {"accept": "application/json", "user-agent": "test", "authorization": header}
    return HttpRequest(method=method, path=path, headers=headers, body=body)


def test_a_request_that_is_changed_on_the_way_is_refused() -> None:
    world = a_world()

    for change in ({"body": b"{}"}, {"path": "/v3/pay/transactions/native?x=1"}, {"method": "PUT"}):
        response = world.answer(a_signed_request(**change), NOON)
        assert (response.status, code_of(response)) == (401, "SIGN_ERROR")
    assert world.orders() == []


@pytest.mark.parametrize("skew_s", [-301, 301])
def test_a_request_from_a_wrong_clock_is_refused(skew_s: int) -> None:
    response = a_world().answer(a_signed_request(), NOON + timedelta(seconds=skew_s))

    assert (response.status, code_of(response)) == (401, "SIGN_ERROR")


def test_a_request_in_the_name_of_another_merchant_or_certificate_is_refused() -> None:
    body = a_signed_request().body

    for change in ({"mchid": "1900000002"}, {"serial": "3E5D"}):
        response = a_world().answer(resigned(body, **change), NOON)
        assert (response.status, code_of(response)) == (401, "SIGN_ERROR")


def test_a_request_without_a_signature_is_refused_without_one() -> None:
    headers = {"accept": "application/json", "user-agent": "test"}

    response = a_world().answer(a_signed_request(headers=headers), NOON)

    assert (response.status, code_of(response)) == (401, "SIGN_ERROR")
    assert signature.SIGNATURE not in response.headers


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"appid"', b'"surprise":1,"appid"'),
        (b'"appid"', b'"attach":null,"appid"'),
        (b'"total":5000', b'"total":0'),
        (b'"CNY"', b'"USD"'),
        (b'"https://', b'"gopher://'),
        (b"notices/wechat", b"notices?secret=1"),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused(old: bytes, new: bytes) -> None:
    world, body = a_world(), a_signed_request().body
    assert old in body

    response = world.answer(resigned(body.replace(old, new)), NOON)

    assert (response.status, code_of(response)) == (400, "PARAM_ERROR")
    assert world.orders() == []


def test_the_same_number_with_other_parameters_is_refused() -> None:
    counter = a_counter()
    counter.create()

    with pytest.raises(OrderRefused) as refused:
        counter.create(an_attempt(amount_minor=5001))

    assert (refused.value.status, refused.value.refusal.code) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("path", ["/", "/native", "//[", "/v3/pay/transactions/native/x", "/v3/certificates"])
def test_a_path_that_does_not_exist_is_not_found(path: str) -> None:
    assert a_world().answer(resigned(b"", path=path), NOON).status == 404


def test_a_paid_order_is_also_found_by_its_transaction() -> None:
    counter = a_counter()
    counter.create()
    paid = counter.world.pay(REFERENCE, counter.now)

    path = f"/v3/pay/transactions/id/{paid.transaction_id}?mchid=1900000001"
    response = counter.world.answer(resigned(b"", path=path, method="GET"), NOON)

    assert bodies.parse_transaction(response.body).out_trade_no == REFERENCE


def test_another_merchants_number_in_a_query_is_refused() -> None:
    path = f"/v3/pay/transactions/out-trade-no/{REFERENCE}?mchid=1900000002"

    assert code_of(a_world().answer(resigned(b"", path=path, method="GET"), NOON)) == "PARAM_ERROR"


def test_answers_follow_the_key_that_the_request_names() -> None:
    keys, world = real_keys(), a_world()

    for serial in (keys.public_key_id, keys.certificate_serial):
        request = a_signed_request()
        response = world.answer(
            HttpRequest(
                method="POST",
                path=request.path,
                headers={**request.headers, signature.SERIAL: serial},
                body=request.body,
            ),
            NOON,
        )
        assert response.headers[signature.SERIAL] == serial


# Bad days of the answers


def test_a_limit_and_a_breakdown_pass_and_then_the_order_is_placed() -> None:
    counter = a_counter()
    counter.world.behave({"refuse_next": 1, "fail_next": 1})

    for status in (429, 500):
        with pytest.raises(ProviderBusy) as busy:
            counter.create()
        assert busy.value.status == status

    assert counter.create().startswith("weixin://")


def test_unsigned_answers_are_not_believed_and_nothing_is_lost() -> None:
    counter = a_counter()
    counter.create()
    counter.world.pay(REFERENCE, counter.now)
    counter.world.behave({"unsigned_answers": True})

    with pytest.raises(AnswerForged):
        counter.query()

    counter.world.behave({"unsigned_answers": False})
    assert counter.query().state is OrderState.PAID


@pytest.mark.parametrize(
    "wishes",
    [{"lost": 1}, {"lost_ppm": -1}, {"lost_ppm": 1_000_001}, {"lost_ppm": True}, {"race_on_close": 1}],
)
def test_a_behaviour_that_does_not_exist_is_refused(wishes: dict[str, object]) -> None:
    with pytest.raises(BehaviourMalformed):
        a_world().behave(wishes)


def test_the_same_seed_gives_the_same_world() -> None:
    def a_run(seed: int) -> list[bytes]:
        counter = a_cheap_counter(seed=seed)
        counter.world.behave({"lost_ppm": 300_000, "duplicate_ppm": 300_000, "late_ms_max": 9_000})
        counter.create()
        counter.world.pay(REFERENCE, counter.now)
        return [repr(notice).encode() for notice, _ in counter.run_until_quiet()]

    assert a_run(3) == a_run(3)
    assert a_run(3) != a_run(4)

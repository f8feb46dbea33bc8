"""Notices and a bill of Alipay that were recorded outside: each gets the verdict that its name says.

Their private key is not at hand, so where a good signature is needed the same fields are signed again.
"""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from tests.unit.payments.alipay_side import a_real_provider, real_keys

from compuerta.domain.payment import PaymentNotice, RefundNotice, RefundState, payment_id
from compuerta.services.payment_ports import HttpRequest, Refusal, Rejected, StatementKind, Verified
from compuerta.wire.alipay import signing
from compuerta.wire.alipay.keys import RsaSigner

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "payments"
if not SAMPLES.is_dir():
    pytest.skip("the recorded samples are not beside the project", allow_module_level=True)

pytestmark = pytest.mark.outside

NOW = datetime(2026, 11, 22, 2, 0, 6, tzinfo=UTC)
TRADE_NO = "2026112222001400000000000001"
REFERENCE = "A20261122000001"
SEQUENCE = (
    "paid",
    "paid_resend_same_notify_id",
    "partial_refund_still_TRADE_SUCCESS",
    "full_refund_TRADE_CLOSED",
    "finished_after_refund_window",
)


def a_sample(name: str) -> bytes:
    lines = (SAMPLES / f"alipay_notify_{name}.txt").read_bytes().splitlines()
    (body,) = [line for line in lines if line and not line.startswith(b"#")]
    return body


def signed_again(body: bytes) -> bytes:
    told = dict(parse_qsl(body.decode("ascii"), keep_blank_values=True))
    fields = {name: value for name, value in told.items() if name not in ("sign", "sign_type")}
    return signing.notice_body(fields, signer=RsaSigner(real_keys().alipay_key))


def heard(body: bytes) -> Verified | Rejected:
    request = HttpRequest(method="POST", path="/notices/alipay", body=body)
    return a_real_provider().hear(request, now=NOW)


def verdict(name: str) -> Verified:
    found = heard(signed_again(a_sample(name)))
    assert isinstance(found, Verified)
    return found


def the_refund(*, reference: str, refunded_minor: int, at: datetime) -> RefundNotice:
    return RefundNotice(
        provider="alipay",
        transaction_no=TRADE_NO,
        reference=REFERENCE,
        refund_reference=reference,
        refunded_minor=refunded_minor,
        is_total=True,
        currency="CNY",
        state=RefundState.DONE,
        at=at,
    )


@pytest.mark.parametrize("name", ["paid", "paid_resend_same_notify_id"])
def test_a_recorded_payment_is_credited_with_its_total_and_not_with_what_the_payer_gave(name: str) -> None:
    found = verdict(name)

    assert found.notice == PaymentNotice(
        provider="alipay",
        transaction_no=TRADE_NO,
        reference=REFERENCE,
        amount_minor=10_000,
        currency="CNY",
        paid_at=datetime(2026, 11, 22, 2, 0, 5, tzinfo=UTC),
    )
    assert (found.refund, found.expired) == (None, "")


def test_a_recorded_partial_refund_is_no_payment_though_it_says_success() -> None:
    found = verdict("partial_refund_still_TRADE_SUCCESS")

    at = datetime(2026, 11, 22, 2, 59, 59, tzinfo=UTC)
    assert found.notice is None
    assert found.refund == the_refund(reference="RF20261122000001", refunded_minor=1_000, at=at)


def test_a_recorded_full_refund_is_a_refund_and_no_expiry() -> None:
    found = verdict("full_refund_TRADE_CLOSED")

    at = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
    assert (found.notice, found.expired) == (None, "")
    assert found.refund == the_refund(reference="RF20261122000002", refunded_minor=10_000, at=at)


def test_a_recorded_end_of_the_time_for_refunds_tells_nothing_of_money() -> None:
    assert verdict("finished_after_refund_window") == Verified(notice=None, event="TRADE_FINISHED")


def test_a_recorded_timeout_ends_the_order() -> None:
    assert verdict("timeout_TRADE_CLOSED") == Verified(notice=None, event="TRADE_CLOSED", expired=REFERENCE)


def test_the_recorded_sequence_credits_its_hundred_yuan_once() -> None:
    found = [verdict(name) for name in SEQUENCE]

    paid = {
        payment_id(provider=each.notice.provider, transaction_no=each.notice.transaction_no): each.notice
        for each in found
        if each.notice is not None
    }
    assert sum(notice.amount_minor for notice in paid.values()) == 10_000
    assert [each.refund.refunded_minor for each in found if each.refund] == [1_000, 10_000]


@pytest.mark.parametrize("name", [*SEQUENCE, "timeout_TRADE_CLOSED"])
def test_a_recorded_notice_under_another_key_is_refused(name: str) -> None:
    found = heard(a_sample(name))

    assert isinstance(found, Rejected)
    assert found.refusal is Refusal.SIGNATURE_WRONG
    assert found.answer.body != b"success"


def test_the_recorded_bill_has_a_payment_and_a_refund_and_what_was_kept_of_each() -> None:
    bill = (SAMPLES / "alipay_bill_trade_20261121.csv.zip").read_bytes()

    payment, refund = a_real_provider().lines(bill, StatementKind.TRADE)

    assert (payment.transaction_no, payment.reference) == ("2026112122001400000000000001", "A20261121000001")
    assert (payment.amount_minor, payment.fee_micro, payment.refund_reference) == (10_000, 600_000, "")
    assert (refund.amount_minor, refund.fee_micro) == (-1_000, -60_000)
    assert (refund.refund_reference, refund.currency) == ("RF20261121000001", "CNY")
    assert payment.at == datetime(2026, 11, 21, 2, 0, 5, tzinfo=UTC)

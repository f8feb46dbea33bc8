"""Notices that were recorded outside: each gets its verdict.

Their private keys are not at hand, so where a good signature is needed the same bytes are signed again.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.payments.wechat_side import real_keys, some_settings

from compuerta.adapters.payments.wechat import WechatPay
from compuerta.domain.payment import RefundNotice, RefundState
from compuerta.services.payment_ports import HttpRequest, Refusal, Rejected, StatementKind, Verified
from compuerta.wire.wechat import signature
from compuerta.wire.wechat.keys import RsaSigner

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "payments"
if not SAMPLES.is_dir():
    pytest.skip("the recorded samples are not beside the project", allow_module_level=True)

pytestmark = pytest.mark.outside

SENT_AT = datetime(2026, 11, 22, 2, 0, 5, tzinfo=UTC)
PUBLIC_KEY_ID = "PUB_KEY_ID_0119000000012026010100000000"
CERTIFICATE_SERIAL = "6B6A9FF97856B568F7F0462B8C2EA73301464B99"


def a_sample(name: str) -> HttpRequest:
    sample = json.loads((SAMPLES / f"wechat_callback_{name}.json").read_text("utf-8"))
    headers = {header.lower(): value for header, value in sample["headers"].items()}
    return HttpRequest(method="POST", path="/", headers=headers, body=sample["raw_body"].encode())


def signed_again(sample: HttpRequest) -> HttpRequest:
    keys, serial = real_keys(), sample.headers[signature.SERIAL]
    private = keys.platform_key_pem if serial == PUBLIC_KEY_ID else keys.certified_key_pem
    headers = signature.signed_headers(
        serial=serial,
        stamp=signature.Stamp(
            timestamp_s=int(sample.headers[signature.TIMESTAMP]), nonce=sample.headers[signature.NONCE]
        ),
        body=sample.body,
        signer=RsaSigner(private),
    )
    return replace(sample, headers=headers)


def a_provider() -> WechatPay:
    keys = real_keys()
    return WechatPay(
        replace(
            some_settings(),
            api_key=b"0123456789abcdef0123456789abcdef",
            platform_pems={
                PUBLIC_KEY_ID: keys.platform_public_key_pem,
                CERTIFICATE_SERIAL: keys.platform_certificate_pem,
            },
        )
    )


@pytest.mark.parametrize("name", ["payment", "payment_certmode"])
def test_a_recorded_payment_is_credited_with_its_total(name: str) -> None:
    heard = a_provider().hear(signed_again(a_sample(name)), now=SENT_AT)

    assert isinstance(heard, Verified) and heard.notice is not None
    assert (heard.notice.amount_minor, heard.notice.currency) == (5000, "CNY")
    assert (heard.notice.reference, heard.notice.transaction_no) == (
        "R20261122000001",
        "4200002026112200000001",
    )
    assert heard.notice.paid_at == SENT_AT


def test_a_recorded_refund_is_money_that_went_and_never_a_payment() -> None:
    heard = a_provider().hear(signed_again(a_sample("refund")), now=SENT_AT)

    assert isinstance(heard, Verified)
    assert (heard.notice, heard.event) == (None, "REFUND.SUCCESS")
    assert heard.refund == RefundNotice(
        provider="wechat",
        transaction_no="4200002026112200000001",
        reference="R20261122000001",
        refund_reference="RF20261122000001",
        refunded_minor=1000,
        is_total=False,
        currency="CNY",
        state=RefundState.DONE,
        at=datetime(2026, 11, 22, 2, 10, 5, tzinfo=UTC),
    )


@pytest.mark.parametrize("name", ["payment", "payment_certmode", "refund"])
@pytest.mark.parametrize("place", [0, 200, -2])
def test_a_recorded_notice_with_one_bit_changed_is_refused(name: str, place: int) -> None:
    inbound = signed_again(a_sample(name))
    body = bytearray(inbound.body)
    body[place] ^= 1

    heard = a_provider().hear(replace(inbound, body=bytes(body)), now=SENT_AT)

    assert isinstance(heard, Rejected)
    assert heard.refusal is Refusal.SIGNATURE_WRONG


def a_bill(name: str) -> bytes:
    return (SAMPLES / f"wechat_{name}_2026-11-21.csv").read_bytes()


def test_the_recorded_trade_bill_reads_to_its_sums() -> None:
    lines = list(a_provider().lines(a_bill("tradebill_ALL"), StatementKind.TRADE))

    assert [(line.state, line.amount_minor, line.fee_micro) for line in lines] == [
        ("SUCCESS", 5000, 300_000),
        ("REFUND", -1000, -60_000),
        ("SUCCESS", 2000, 120_000),
    ]
    assert [line.refund_reference for line in lines] == ["", "RF1", ""]
    assert lines[2].at == datetime(2026, 11, 21, 15, 59, 59, tzinfo=UTC)


def test_the_recorded_fund_bill_reads_to_its_sums() -> None:
    lines = list(a_provider().lines(a_bill("fundflowbill_BASIC"), StatementKind.FUND))

    assert [(line.state, line.amount_minor) for line in lines] == [
        ("交易", 5000),
        ("扣除交易手续费", -30),
        ("退款", -994),
    ]
    assert [(line.reference, line.refund_reference) for line in lines] == [
        ("R20261121000001", ""),
        ("R20261121000001", ""),
        ("", "RF1"),
    ]


def test_a_recorded_probe_is_a_probe() -> None:
    heard = a_provider().hear(a_sample("signtest_probe"), now=SENT_AT)

    assert isinstance(heard, Rejected)
    assert heard.refusal is Refusal.PROBE
    assert heard.answer.status == 401


@pytest.mark.parametrize("name", ["payment", "payment_certmode", "refund"])
def test_a_recorded_notice_under_a_key_that_did_not_sign_it_is_refused(name: str) -> None:
    heard = a_provider().hear(a_sample(name), now=SENT_AT)

    assert isinstance(heard, Rejected)
    assert heard.refusal is Refusal.SIGNATURE_WRONG


def test_a_recorded_notice_today_is_stale() -> None:
    heard = a_provider().hear(signed_again(a_sample("payment")), now=datetime(2026, 11, 23, tzinfo=UTC))

    assert isinstance(heard, Rejected)
    assert heard.refusal is Refusal.STALE

"""The WeChat Pay codec: exact bytes, strict verification, and one named refusal for whatever is wrong."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.payments.wechat_side import real_keys

from compuerta.domain.errors import Refused
from compuerta.virtual.wechat.keys import SharedSecret
from compuerta.wire.wechat import bodies, fields, orders, resource, signature
from compuerta.wire.wechat.bodies import Envelope, TradeState, Transaction
from compuerta.wire.wechat.fields import BodyMalformed
from compuerta.wire.wechat.keys import KeyUnusable, RsaSigner, RsaVerifier
from compuerta.wire.wechat.orders import Order, OrderKind
from compuerta.wire.wechat.signature import Merchant, Stamp

NOON = datetime(2026, 11, 22, 4, 0, 0, tzinfo=UTC)
STAMP = Stamp(timestamp_s=int(NOON.timestamp()), nonce="593BEC0C930BF1AFEB40B4A08C8FB242")
BODY = b'{"a":"\xe7\x94\xb5"}'
API_KEY = b"0123456789abcdef0123456789abcdef"
SECRET = SharedSecret(b"platform")


def signed_headers(body: bytes = BODY, *, stamp: Stamp = STAMP) -> dict[str, str]:
    return signature.signed_headers(serial="PUB_KEY_ID_1", stamp=stamp, body=body, signer=SECRET)


def verify(headers: dict[str, str], body: bytes = BODY, *, now: datetime = NOON) -> None:
    signature.verify(headers, body, verifiers={"PUB_KEY_ID_1": SECRET}, now=now)


def an_order(**changes: object) -> Order:
    return Order(
        **{
            "appid": "wx1",
            "mchid": "1900000001",
            "description": "电费",
            "out_trade_no": "R-1|2*_",
            "notify_url": "https://pay.example.org/n",
            "total_fen": 5000,
        }
        | changes  # type: ignore[arg-type]
    )


def test_a_request_signs_five_lines_and_the_last_line_ends_too() -> None:
    message = signature.request_message(method="GET", path="/v3/x?mchid=1", stamp=STAMP, body=b"")

    assert message == b"GET\n/v3/x?mchid=1\n1795320000\n593BEC0C930BF1AFEB40B4A08C8FB242\n\n"


def test_an_answer_signs_three_lines_with_the_bytes_that_travel() -> None:
    message = signature.answer_message(stamp=STAMP, body=BODY)

    assert message == b"1795320000\n593BEC0C930BF1AFEB40B4A08C8FB242\n" + BODY + b"\n"


def test_an_authorization_header_reads_back() -> None:
    message = signature.request_message(method="POST", path="/v3/x", stamp=STAMP, body=BODY)
    merchant = Merchant(mchid="1900000001", serial="3E5C")

    header = signature.authorization(merchant, stamp=STAMP, message=message, signer=SECRET)

    claim = signature.parse_authorization(header)
    assert (claim.merchant, claim.stamp) == (merchant, STAMP)
    signature.verify_signature(claim.signature, message=message, verifier=SECRET)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.replace("WECHATPAY2-SHA256-RSA2048", "WECHATPAY2-SM2-WITH-SM3"),
        lambda header: header.replace('mchid="', 'nonce_str="'),
        lambda header: header.replace('timestamp="', 'timestamp="-'),
        lambda header: header + ',more="1"',
        lambda header: header.replace('"', "'"),
        lambda header: "",
        lambda header: header + " " * 5000,
    ],
)
def test_an_authorization_of_another_shape_is_refused(change: Callable[[str], str]) -> None:
    merchant = Merchant(mchid="1900000001", serial="3E5C")
    header = signature.authorization(merchant, stamp=STAMP, message=b"m", signer=SECRET)

    with pytest.raises(signature.HeaderUnusable):
        signature.parse_authorization(change(header))


def test_rsa_signs_what_rsa_verifies_by_public_key_and_by_certificate() -> None:
    keys = real_keys()
    by_public_key = RsaVerifier(keys.platform_public_key_pem)
    by_certificate = RsaVerifier(keys.platform_certificate_pem)
    signed = RsaSigner(keys.platform_key_pem).sign(b"message")
    certified = RsaSigner(keys.certified_key_pem).sign(b"message")

    assert by_public_key.is_genuine(signed, message=b"message")
    assert by_certificate.is_genuine(certified, message=b"message")
    assert not by_public_key.is_genuine(certified, message=b"message")
    assert not by_public_key.is_genuine(signed, message=b"message ")
    assert not by_public_key.is_genuine(b"", message=b"message")


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PUBLIC KEY-----", b"-----BEGIN CERTIFICATE-----"])
def test_a_text_that_is_no_key_is_refused(pem: bytes) -> None:
    with pytest.raises(KeyUnusable):
        RsaVerifier(pem)
    with pytest.raises(KeyUnusable):
        RsaSigner(pem)


def test_a_signed_message_is_believed() -> None:
    verify(signed_headers())


@pytest.mark.parametrize("name", ["timestamp", "nonce", "serial", "signature"])
def test_a_message_without_a_needed_header_is_refused(name: str) -> None:
    headers = signed_headers()
    del headers[f"wechatpay-{name}"]

    with pytest.raises(signature.HeaderUnusable) as refused:
        verify(headers)

    assert refused.value.header == f"wechatpay-{name}"


@pytest.mark.parametrize("skew_s", [-300, 300])
def test_a_message_five_minutes_away_is_still_fresh(skew_s: int) -> None:
    verify(signed_headers(), now=NOON + timedelta(seconds=skew_s))


@pytest.mark.parametrize("skew_s", [-301, 301, 86_400])
def test_a_message_more_than_five_minutes_away_is_stale(skew_s: int) -> None:
    with pytest.raises(signature.Stale):
        verify(signed_headers(), now=NOON + timedelta(seconds=skew_s))


@pytest.mark.parametrize(
    "timestamp", ["", "1e9", "-1795320000", "１７９５３２００００", "9" * 13, " 1795320000"]
)
def test_a_timestamp_that_is_no_count_of_seconds_is_refused(timestamp: str) -> None:
    with pytest.raises(signature.HeaderUnusable):
        verify(signed_headers() | {signature.TIMESTAMP: timestamp})


def test_text_cannot_move_between_the_signed_lines() -> None:
    body = b'one\ntwo"}'
    headers = signed_headers(body)

    with pytest.raises(signature.HeaderUnusable):
        verify(headers | {signature.NONCE: f"{STAMP.nonce}\none"}, b'two"}')


def test_an_unknown_serial_number_is_refused_by_name() -> None:
    with pytest.raises(signature.KeyUnknown):
        verify(signed_headers() | {signature.SERIAL: "PUB_KEY_ID_2"})


def test_a_changed_body_is_refused() -> None:
    with pytest.raises(signature.SignatureWrong):
        verify(signed_headers(), BODY + b" ")


@pytest.mark.parametrize("suffix", ["=", "\n", "!", "A", " "])
def test_a_signature_in_loose_base64_is_refused(suffix: str) -> None:
    headers = signed_headers()
    headers[signature.SIGNATURE] += suffix

    with pytest.raises(signature.Unbelieved):
        verify(headers)


def test_a_second_spelling_of_a_good_signature_is_refused() -> None:
    headers = signed_headers()
    good = headers[signature.SIGNATURE]
    spelling = next(
        good[:-2] + letter + "="
        for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        if letter != good[-2] and base64.b64decode(good[:-2] + letter + "=") == base64.b64decode(good)
    )

    with pytest.raises(signature.SignatureWrong):
        verify(headers | {signature.SIGNATURE: spelling})


def test_another_algorithm_cannot_be_asked_for() -> None:
    with pytest.raises(signature.SignatureWrong):
        verify(signed_headers() | {signature.SIGNATURE_TYPE: "WECHATPAY2-SHA1-RSA2048"})


def test_a_probe_is_a_probe_even_when_all_else_is_missing() -> None:
    with pytest.raises(signature.Probe):
        verify({signature.SIGNATURE: f"{signature.PROBE_PREFIX}AAAA"})


@given(
    headers=st.dictionaries(
        st.sampled_from(list(signed_headers())), st.text() | st.sampled_from(list(signed_headers().values()))
    ),
    body=st.binary(),
)
def test_any_headers_and_body_are_believed_or_unbelieved(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(signature.Unbelieved):
        verify(headers, body)


@pytest.mark.parametrize("original_type", ["transaction", ""])
def test_a_sealed_resource_opens_also_with_empty_associated_text(original_type: str) -> None:
    sealed = resource.seal(b"plain", key=API_KEY, nonce="0123456789ab", original_type=original_type)

    read = resource.parse_resource(resource.resource_fields(sealed))

    assert resource.unseal(read, key=API_KEY) == b"plain"


def test_a_resource_sealed_for_another_key_does_not_open() -> None:
    sealed = resource.seal(b"plain", key=API_KEY, nonce="0123456789ab", original_type="transaction")

    with pytest.raises(resource.ResourceUnreadable):
        resource.unseal(sealed, key=API_KEY[::-1])


def test_an_api_key_of_another_length_is_refused() -> None:
    with pytest.raises(resource.ApiKeyMalformed):
        resource.seal(b"plain", key=b"short", nonce="0123456789ab", original_type="transaction")


def test_the_same_order_gives_the_same_bytes_and_nothing_absent_is_sent_as_null() -> None:
    order = an_order()

    assert orders.build_order(order) == orders.build_order(an_order())
    assert b"null" not in orders.build_order(order)
    assert set(json.loads(orders.build_order(order))) == {
        "appid", "mchid", "description", "out_trade_no", "notify_url", "amount",
    }  # fmt: skip


@pytest.mark.parametrize(
    "order", [an_order(), an_order(time_expire=NOON), an_order(attach="m:1"), an_order(total_fen=1)]
)
def test_an_order_reads_back(order: Order) -> None:
    assert orders.parse_order(orders.build_order(order)) == order


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attach", None),
        ("time_expire", None),
        ("surprise", 1),
        ("\ud800", 1),
        ("out_trade_no", "short"),
        ("out_trade_no", "has a space"),
        ("description", "x" * 128),
        ("time_expire", "2026-11-22T10:00:05"),
        ("time_expire", "0001-01-01T00:00:00+08:00"),
        ("amount", {"total": 0}),
        ("amount", {"total": True}),
        ("amount", {"total": 1.5}),
        ("amount", {"total": "5000"}),
        ("amount", {"total": 5000, "surprise": 1}),
        ("amount", None),
    ],
)
def test_an_order_that_the_provider_would_refuse_is_refused(field: str, value: object) -> None:
    order = json.loads(orders.build_order(an_order())) | {field: value}

    with pytest.raises(BodyMalformed):
        orders.parse_order(json.dumps(order).encode())


PAID = Transaction(
    appid="wx1",
    mchid="1900000001",
    out_trade_no="R20261122000001",
    state=TradeState.SUCCESS,
    total_fen=5000,
    currency="CNY",
    payer_total_fen=4900,
    transaction_id="4200002026112200000001",
    success_at=NOON,
    payer="oPayer",
)


def test_a_paid_transaction_reads_back() -> None:
    assert bodies.parse_transaction(bodies.build_transaction(PAID)) == PAID


@pytest.mark.parametrize("field", ["transaction_id", "success_time", "amount", "mchid", "out_trade_no"])
def test_a_paid_transaction_that_does_not_tell_of_the_money_is_refused(field: str) -> None:
    trade = json.loads(bodies.build_transaction(PAID))
    del trade[field]

    with pytest.raises(BodyMalformed):
        bodies.parse_transaction(json.dumps(trade).encode())


def test_a_state_that_no_document_lists_is_unlisted() -> None:
    trade = json.loads(bodies.build_transaction(PAID)) | {"trade_state": "ACCEPT"}

    assert bodies.parse_transaction(json.dumps(trade).encode()).state is TradeState.UNLISTED


def test_an_unsigned_refusal_that_cannot_be_read_has_no_code() -> None:
    assert bodies.parse_refusal(b"<html>bad gateway</html>").code == ""


def test_a_notice_reads_back() -> None:
    sealed = resource.seal(b"{}", key=API_KEY, nonce="0123456789ab", original_type="transaction")
    envelope = Envelope(notice_id="1", event_type="X", created_at=NOON, resource=sealed)

    assert bodies.parse_envelope(bodies.build_envelope(envelope)) == envelope


READERS = [
    orders.parse_order,
    bodies.parse_transaction,
    bodies.parse_envelope,
    lambda body: orders.parse_started(OrderKind.NATIVE, body),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=5,
)
GENUINE = [
    json.loads(orders.build_order(an_order(time_expire=NOON))),
    json.loads(bodies.build_transaction(PAID)),
    {
        "id": "1",
        "create_time": "2026-11-22T10:00:05+08:00",
        "resource_type": "encrypt-resource",
        "event_type": "TRANSACTION.SUCCESS",
        "resource": {"algorithm": "AEAD_AES_256_GCM", "ciphertext": "AAAA", "nonce": "0123456789ab"},
    },
]


@pytest.mark.parametrize("read", READERS)
@given(body=st.binary() | st.just(b"[" * 100_000) | st.just(b"1" * 5000) | st.just(b'{"a":NaN}'))
def test_any_bytes_are_read_or_refused(read: Callable[[bytes], object], body: bytes) -> None:
    with pytest.raises(BodyMalformed):
        read(body)


@pytest.mark.slow
@settings(max_examples=300)
@given(genuine=st.sampled_from(GENUINE), choice=st.data())
def test_any_change_of_a_field_is_read_or_refused(genuine: dict[str, object], choice: st.DataObject) -> None:
    field = choice.draw(st.sampled_from(sorted(genuine)))
    changed = genuine | {field: choice.draw(JSON)}

    for read in READERS:
        try:
            read(json.dumps(changed).encode())
        except Refused as refused:
            assert isinstance(refused, BodyMalformed)


@given(noise=st.binary(max_size=40), nonce=st.text(min_size=12, max_size=12))
def test_a_resource_of_noise_is_refused(noise: bytes, nonce: str) -> None:
    part: dict[str, object] = {
        "algorithm": resource.ALGORITHM,
        "ciphertext": base64.b64encode(noise).decode(),
        "nonce": nonce,
    }

    with pytest.raises((BodyMalformed, resource.ResourceUnreadable)):
        resource.unseal(resource.parse_resource(part), key=API_KEY)


@pytest.mark.parametrize("value", ["a\x00b", "\ud800"])
def test_a_text_that_no_database_holds_is_malformed(value: str) -> None:
    for read in (fields.text, fields.text_or_empty):
        with pytest.raises(fields.BodyMalformed):
            read({"transaction_id": value}, "transaction_id", chars_max=32)

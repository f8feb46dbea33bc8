"""Alipay's signatures and fields: what is signed, and that nothing else is ever read."""

import base64
import json
from datetime import UTC, datetime
from functools import cache
from hashlib import md5

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.payments.alipay_side import real_keys

from compuerta.domain.errors import Refused
from compuerta.virtual.alipay.keys import SharedSecret
from compuerta.wire.alipay import fields, signing
from compuerta.wire.alipay.fields import FEN_MAX, BodyMalformed
from compuerta.wire.alipay.keys import KeyUnusable, RsaSigner, RsaVerifier, certificate_sn, root_sn
from compuerta.wire.alipay.signing import KeyUnknown, SignatureWrong, SignTypeWrong, Unbelieved

SECRET = SharedSecret(b"alipay")
RING = {"": SECRET}


class Recorder:
    """A signer that keeps what it was given."""

    def __init__(self) -> None:
        self.signed: list[bytes] = []

    def sign(self, message: bytes) -> bytes:
        self.signed.append(message)
        return b"signature"


@cache
def the_key() -> RSAPrivateKey:
    key = load_pem_private_key(real_keys().alipay_key, password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


# requests


def test_a_request_signs_its_parameters_sorted_without_empty_ones_and_not_encoded() -> None:
    recorder = Recorder()

    sent = signing.signed(
        {"version": "1.0", "biz_content": '{"a":"水 电&b=1"}', "notify_url": "", "sign_type": "RSA2"},
        signer=recorder,
    )

    assert recorder.signed == ['biz_content={"a":"水 电&b=1"}&sign_type=RSA2&version=1.0'.encode()]
    assert "notify_url" not in sent
    assert sent["sign"] == base64.b64encode(b"signature").decode()


def test_a_request_is_believed_by_its_key_alone() -> None:
    keys = real_keys()
    sent = signing.signed({"app_id": "1", "sign_type": "RSA2"}, signer=RsaSigner(keys.app_key))

    signing.verify_request(sent, verifier=RsaVerifier(keys.app_certificate))

    for broken in ({**sent, "app_id": "2"}, {**sent, "more": "x"}, {**sent, "sign_type": "RSA"}):
        with pytest.raises(Unbelieved):
            signing.verify_request(broken, verifier=RsaVerifier(keys.app_certificate))
    with pytest.raises(SignatureWrong):
        signing.verify_request(sent, verifier=RsaVerifier(keys.alipay_public))


# answers


def an_answer(inner: str = '{"code":"10000","qr_code":"https:\\/\\/qr.alipay.com\\/bax1"}') -> bytes:
    return signing.answer_body("alipay_trade_precreate_response", inner, signer=SECRET)


def test_the_very_text_that_was_signed_is_verified_and_read() -> None:
    inner = '{ "code" : "10000",\n "subject":"a\\"}{\\u6c34", "list":[{"x":"}"}] }'

    envelope = signing.parse_envelope(an_answer(inner))

    signing.verify_envelope(envelope, verifiers=RING)
    assert envelope.inner == inner
    assert json.loads(envelope.inner)["list"] == [{"x": "}"}]


def test_the_order_of_the_members_and_space_between_them_do_not_matter() -> None:
    signature = base64.b64encode(SECRET.sign(b'{"code":"10000"}')).decode()
    body = f' {{ "sign" : "{signature}" ,\n"alipay_x_response" : {{"code":"10000"}} }} \n'.encode()

    signing.verify_envelope(signing.parse_envelope(body), verifiers=RING)


@pytest.mark.parametrize(
    "forged",
    [
        b'{"a_response":{"code":"1"},"a_response":{"code":"2"},"sign":"eA=="}',
        b'{"a_response":{"code":"1"},"b_response":{"code":"2"},"sign":"eA=="}',
        b'{"a_response":{"code":"1"},"sign":"eA=="}{}',
        b'{"a_response":"text","sign":"eA=="}',
        b'{"a_response":{"code":"1"},"sign":["eA=="]}',
        b'{"sign":"eA=="}',
        b"{}",
        b"[]",
        b"",
        b"\xff",
    ],
)
def test_an_answer_of_two_minds_is_refused(forged: bytes) -> None:
    with pytest.raises(BodyMalformed):
        signing.parse_envelope(forged)


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_an_answer_with_one_changed_bit_is_not_believed(place: int, bit: int) -> None:
    body = bytearray(an_answer())
    body[place % len(body)] ^= 1 << bit

    try:
        envelope = signing.parse_envelope(bytes(body))
        signing.verify_envelope(envelope, verifiers=RING)
    except (BodyMalformed, Unbelieved):
        return
    # Only what is not signed may differ: the name around the inner text.
    assert envelope.inner == signing.parse_envelope(an_answer()).inner


def test_an_answer_under_an_unknown_certificate_is_not_believed() -> None:
    body = signing.answer_body("a_response", "{}", signer=SECRET, certificate_sn="other")

    with pytest.raises(KeyUnknown):
        signing.verify_envelope(signing.parse_envelope(body), verifiers={"mine": SECRET})
    with pytest.raises(KeyUnknown):
        signing.verify_envelope(signing.parse_envelope(an_answer()), verifiers={"mine": SECRET})


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.MD5(), hashes.SHA512()])
def test_a_signature_made_with_another_hash_is_not_believed(algorithm: hashes.HashAlgorithm) -> None:
    raw = the_key().sign(b'{"code":"10000"}', PKCS1v15(), algorithm)
    body = f'{{"a_response":{{"code":"10000"}},"sign":"{base64.b64encode(raw).decode()}"}}'.encode()

    with pytest.raises(SignatureWrong):
        signing.verify_envelope(
            signing.parse_envelope(body), verifiers={"": RsaVerifier(real_keys().alipay_public)}
        )


# notices


TOLD = {"app_id": "1", "charset": "utf-8", "subject": "电费 302&x=1", "trade_status": "TRADE_SUCCESS"}


@pytest.mark.parametrize("charset", ["utf-8", "GBK", "gb2312"])
def test_a_notice_is_read_in_the_charset_that_it_names(charset: str) -> None:
    told = {**TOLD, "charset": charset}

    body = signing.notice_body(told, signer=SECRET, charset=charset)

    assert signing.believed_notice(body, verifiers=[SECRET]) == told


def test_empty_fields_may_be_signed_or_not() -> None:
    told = {**TOLD, "passback_params": ""}
    with_them = signing.notice_body(told, signer=SECRET)
    without_them = signing.notice_body(TOLD, signer=SECRET) + b"&passback_params="

    for body in (with_them, without_them):
        assert signing.believed_notice(body, verifiers=[SECRET])["app_id"] == "1"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda body: body.replace(b"RSA2", b"RSA"), SignTypeWrong),
        (lambda body: body.replace(b"&sign_type=RSA2", b""), SignTypeWrong),
        (lambda body: body + b"&extra=1", SignatureWrong),
        (lambda body: body.replace(b"app_id=1", b"app_id=2"), SignatureWrong),
        (lambda body: body + b"&app_id=1", BodyMalformed),
        (lambda body: body.split(b"&sign=")[0] + b"&sign_type=RSA2", SignatureWrong),
        (lambda body: b"", SignTypeWrong),
        (lambda body: b"\xff" + body, SignatureWrong),
        (lambda body: b"a=1&" * 300 + body, BodyMalformed),
    ],
)
def test_a_changed_notice_is_not_believed(change: object, error: type[Refused]) -> None:
    assert callable(change)

    with pytest.raises(error):
        signing.believed_notice(change(signing.notice_body(TOLD, signer=SECRET)), verifiers=[SECRET])


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_by_name(body: bytes) -> None:
    with pytest.raises(Refused):
        signing.believed_notice(body, verifiers=[SECRET])
    with pytest.raises(Refused):
        signing.verify_envelope(signing.parse_envelope(body), verifiers=RING)


# keys and certificates


def test_keys_are_read_from_pem_and_from_the_bare_base64_of_alipays_key_tool() -> None:
    keys = real_keys()
    der = the_key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = the_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pkcs1 = the_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    signatures = {
        RsaSigner(text).sign(b"x") for text in (keys.alipay_key, base64.b64encode(der) + b"\n", pkcs1)
    }

    (signature,) = signatures
    for text in (keys.alipay_public, keys.alipay_certificate, base64.encodebytes(public)):
        assert RsaVerifier(text).is_genuine(signature, message=b"x")


@pytest.mark.slow
def test_a_short_key_and_what_is_no_key_are_refused() -> None:
    short = generate_private_key(public_exponent=65537, key_size=1024)
    private = short.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = short.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    for text in (private, b"", b"MIIB", b"-----BEGIN PRIVATE KEY-----", real_keys().alipay_public):
        with pytest.raises(KeyUnusable):
            RsaSigner(text)
    for text in (public, b"", b"!!", b"-----BEGIN CERTIFICATE-----", real_keys().alipay_key):
        with pytest.raises(KeyUnusable):
            RsaVerifier(text)


def test_a_certificate_is_called_by_its_issuer_from_the_end_and_its_number() -> None:
    pem = real_keys().app_certificate
    number = x509.load_pem_x509_certificate(pem).serial_number
    issuer = "CN=simulated root,OU=Certification Authority,O=Simulation,C=CN"

    assert certificate_sn(pem) == md5(f"{issuer}{number}".encode()).hexdigest()


def test_only_roots_of_rsa_are_named() -> None:
    roots = real_keys().root_certificates

    assert len(x509.load_pem_x509_certificates(roots)) == 2
    assert root_sn(roots) == certificate_sn(roots)
    with pytest.raises(KeyUnusable):
        root_sn(b"nothing")


# fields


@given(st.integers(min_value=1, max_value=FEN_MAX))
def test_fen_go_to_yuan_and_back(amount_fen: int) -> None:
    assert fields.fen({"x": fields.yuan(amount_fen)}, "x") == amount_fen


@pytest.mark.parametrize(("text", "amount_fen"), [("1", 100), ("1.5", 150), ("0.01", 1), ("100.00", 10_000)])
def test_yuan_have_at_most_two_decimals(text: str, amount_fen: int) -> None:
    assert fields.fen({"x": text}, "x") == amount_fen


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.001", "1.234", "-1", "+1", "1e2", "01", "1,000.00", "NaN", "100000000.01", " 1", "１"],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(BodyMalformed):
        fields.fen({"x": text}, "x")


def test_a_time_is_beijings() -> None:
    told = {"x": "2026-11-22 10:00:05", "y": "2026-11-22 10:00:05.123"}
    at = datetime(2026, 11, 22, 2, 0, 5, tzinfo=UTC)

    assert fields.instant(told, "x") == fields.instant(told, "y") == at
    assert fields.write_instant(at) == told["x"]
    for wrong in ("2026-11-22T10:00:05", "2026-13-01 00:00:00", "0001-01-01 00:00:00", ""):
        with pytest.raises(BodyMalformed):
            fields.instant({"x": wrong}, "x")


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", "订单\udfff"])
def test_a_text_that_no_database_holds_is_malformed(value: str) -> None:
    for read in (fields.text, fields.text_or_empty):
        with pytest.raises(fields.BodyMalformed):
            read({"trade_no": value}, "trade_no")
    assert fields.text({"subject": "订单 1"}, "subject") == "订单 1"

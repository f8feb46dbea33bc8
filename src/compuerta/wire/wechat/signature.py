"""Signatures of WeChat Pay v3: what is signed, in which bytes, and when a message is believed.

A request signs five lines; an answer and a notice sign three. The bytes that are signed are the bytes
that travel: nobody here parses a body and writes it again.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from compuerta.domain.errors import Refused
from compuerta.wire.wechat.keys import Signer, Verifier

SCHEME = "WECHATPAY2-SHA256-RSA2048"
PROBE_PREFIX = "WECHATPAY/SIGNTEST/"  # the provider now and then tests whether we verify at all
SKEW_S_MAX = 300  # WeChat's rule, both ways; a repeated notice is stamped anew, so none is older
HEADER_CHARS_MAX = 1024  # RSA-4096 in base64 is 684; longer is nobody's signature

TIMESTAMP = "wechatpay-timestamp"
NONCE = "wechatpay-nonce"
SERIAL = "wechatpay-serial"
SIGNATURE = "wechatpay-signature"
SIGNATURE_TYPE = "wechatpay-signature-type"

_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
# Printable and without spaces: a line end inside a field would let text move between the signed lines.
_FIELD = re.compile(r"[!-~]+", re.ASCII)
_AUTHORIZATION = re.compile(SCHEME + r' ([a-z_]+="[!#-~]*"(?:, ?[a-z_]+="[!#-~]*"){4})', re.ASCII)
_AUTHORIZATION_FIELD = re.compile(r'([a-z_]+)="([!#-~]*)"', re.ASCII)


class Unbelieved(Refused):
    """A message that is not shown to come from the other side; each subclass says why."""


class HeaderUnusable(Unbelieved):
    """A header that verification needs is missing, too long, or holds what no signer writes."""

    def __init__(self, header: str) -> None:
        super().__init__(f"header {header} is missing or unusable")
        self.header = header


class Probe(Unbelieved):
    """A signature probe: the provider tests us with a wrong signature; refuse, and do not alarm."""

    def __init__(self) -> None:
        super().__init__("a signature probe of the provider")


class Stale(Unbelieved):
    """A message whose timestamp is too far from now, either way."""

    def __init__(self, skew_s: int) -> None:
        super().__init__(f"stamped {skew_s} s away from now; {SKEW_S_MAX} s are allowed")
        self.skew_s = skew_s


class KeyUnknown(Unbelieved):
    """A message signed under a serial number that is not in the map; nothing is fetched for it."""

    def __init__(self, serial: str) -> None:
        super().__init__(f"no key with the serial number {serial[:64]!r} is configured")
        self.serial = serial


class SignatureWrong(Unbelieved):
    """A message that the named key did not sign."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"signature: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When a message was signed, and the nonce that makes it one of its kind."""

    timestamp_s: int
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """Who signs a request: the merchant number, and the serial number of its API certificate."""

    mchid: str
    serial: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The Authorization header of a request, taken apart but not yet believed."""

    merchant: Merchant
    stamp: Stamp
    signature: str


def stamp(*, now: datetime, chance: bytes) -> Stamp:
    """Make the stamp of a message from the time and from random bytes."""
    return Stamp(timestamp_s=int(now.timestamp()), nonce=chance.hex().upper())


def request_message(*, method: str, path: str, stamp: Stamp, body: bytes) -> bytes:
    """Return the five lines that a request signs; `path` is path and query exactly as sent."""
    head = f"{method}\n{path}\n{stamp.timestamp_s}\n{stamp.nonce}\n"
    return head.encode() + body + b"\n"


def answer_message(*, stamp: Stamp, body: bytes) -> bytes:
    """Return the three lines that an answer or a notice signs."""
    return f"{stamp.timestamp_s}\n{stamp.nonce}\n".encode() + body + b"\n"


def authorization(merchant: Merchant, *, stamp: Stamp, message: bytes, signer: Signer) -> str:
    """Return the Authorization header for a request's five lines."""
    signature = base64.b64encode(signer.sign(message)).decode("ascii")
    return (
        f'{SCHEME} mchid="{merchant.mchid}",nonce_str="{stamp.nonce}",signature="{signature}",'
        f'timestamp="{stamp.timestamp_s}",serial_no="{merchant.serial}"'
    )


def parse_authorization(header: str) -> Authorization:
    """Take an Authorization header apart; refuses everything but the one scheme with its five fields."""
    if len(header) > 2 * HEADER_CHARS_MAX or not (match := _AUTHORIZATION.fullmatch(header)):
        raise HeaderUnusable("authorization")
    fields = dict(_AUTHORIZATION_FIELD.findall(match[1]))
    if set(fields) != {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}:
        raise HeaderUnusable("authorization")
    return Authorization(
        merchant=Merchant(mchid=fields["mchid"], serial=fields["serial_no"]),
        stamp=Stamp(timestamp_s=_seconds(fields["timestamp"], "authorization"), nonce=fields["nonce_str"]),
        signature=fields["signature"],
    )


def signed_headers(*, serial: str, stamp: Stamp, body: bytes, signer: Signer) -> dict[str, str]:
    """Return the headers with which the provider's side signs an answer or a notice."""
    signature = signer.sign(answer_message(stamp=stamp, body=body))
    return {
        TIMESTAMP: str(stamp.timestamp_s),
        NONCE: stamp.nonce,
        SERIAL: serial,
        SIGNATURE_TYPE: SCHEME,
        SIGNATURE: base64.b64encode(signature).decode("ascii"),
    }


def verify(
    headers: Mapping[str, str], body: bytes, *, verifiers: Mapping[str, Verifier], now: datetime
) -> None:
    """Believe an answer or a notice, or raise the `Unbelieved` that says why not.

    Header names are lower case; `body` is what travelled, byte for byte.
    """
    signature = _field(headers, SIGNATURE)
    if signature.startswith(PROBE_PREFIX):
        raise Probe
    # The names of the algorithm are pinned: a message cannot choose how it is verified.
    if headers.get(SIGNATURE_TYPE, SCHEME) != SCHEME:
        raise SignatureWrong("not of the one scheme that is accepted")
    stamp = Stamp(
        timestamp_s=_seconds(_field(headers, TIMESTAMP), TIMESTAMP),
        nonce=_field(headers, NONCE),
    )
    serial = _field(headers, SERIAL)
    verify_fresh(stamp, now=now)
    if serial not in verifiers:
        raise KeyUnknown(serial)
    message = answer_message(stamp=stamp, body=body)
    verify_signature(signature, message=message, verifier=verifiers[serial])


def verify_fresh(stamp: Stamp, *, now: datetime) -> None:
    """Refuse a stamp that is more than five minutes from now, either way."""
    skew_s = abs(int(now.timestamp()) - stamp.timestamp_s)
    if skew_s > SKEW_S_MAX:
        raise Stale(skew_s)


def verify_signature(signature: str, *, message: bytes, verifier: Verifier) -> None:
    """Refuse a signature that is not strict base64 of the verifier's own."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureWrong("not base64") from error
    if base64.b64encode(raw).decode("ascii") != signature:
        raise SignatureWrong("not canonical base64")
    if not verifier.is_genuine(raw, message=message):
        raise SignatureWrong("does not belong to this message and key")


def _field(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if len(value) > HEADER_CHARS_MAX or not _FIELD.fullmatch(value):
        raise HeaderUnusable(name)
    return value


def _seconds(text: str, header: str) -> int:
    if not _SECONDS.fullmatch(text):
        raise HeaderUnusable(header)
    return int(text)

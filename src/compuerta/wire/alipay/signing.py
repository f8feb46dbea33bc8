"""What RSA2 signs at Alipay, in which bytes, and when a message is believed.

A request signs its parameters, sorted, without empty values, not URL-encoded, `sign_type` among them.
A notice signs the same way, but without `sign_type`, and by some programs with its empty values.
An answer signs the inner JSON exactly as it travels: that piece is verified, and that piece is read.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlencode

from compuerta.domain.errors import Refused
from compuerta.wire.alipay.fields import BodyMalformed
from compuerta.wire.alipay.keys import Signer, Verifier

SIGN_TYPE = "RSA2"
SIGNATURE_CHARS_MAX = 1024  # RSA-4096 in base64 is 684; longer is nobody's signature
FIELDS_MAX = 200  # a notice has about thirty

_SPACE = re.compile(r"[ \t\r\n]*")
_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "gbk": "gb18030", "gb2312": "gb18030", "gb18030": "gb18030"}


class Unbelieved(Refused):
    """A message that is not shown to come from the other side; each subclass says why."""


class SignTypeWrong(Unbelieved):
    """A message that is not signed, or by something other than RSA2."""

    def __init__(self) -> None:
        super().__init__(f"only {SIGN_TYPE} is believed")


class KeyUnknown(Unbelieved):
    """A message signed under a certificate that is not configured; nothing is fetched for it."""

    def __init__(self, sn: str) -> None:
        super().__init__(f"no certificate {sn[:64]!r} of Alipay is configured")
        self.sn = sn


class SignatureWrong(Unbelieved):
    """A message that none of the keys in question signed."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"signature: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An answer taken apart but not yet believed: `inner` is the exact text that was signed."""

    name: str  # alipay_trade_query_response, or error_response
    inner: str
    signature: str  # "" where there is none
    certificate_sn: str  # "" in key mode


def signed(params: Mapping[str, str], *, signer: Signer) -> dict[str, str]:
    """Return a request's parameters without the empty ones, and signed."""
    full = {name: value for name, value in params.items() if value}
    signature = signer.sign(_joined((name.encode(), value.encode()) for name, value in full.items()))
    return {**full, "sign": base64.b64encode(signature).decode("ascii")}


def verify_request(params: Mapping[str, str], *, verifier: Verifier) -> None:
    """Believe a merchant's request, as Alipay does, or raise `Unbelieved`."""
    if params.get("sign_type") != SIGN_TYPE:
        raise SignTypeWrong
    pairs = [(name.encode(), value.encode()) for name, value in params.items() if name != "sign" and value]
    _verify(params.get("sign", ""), [_joined(pairs)], verifiers=[verifier])


def notice_body(params: Mapping[str, str], *, signer: Signer, charset: str = "utf-8") -> bytes:
    """Write a notice as Alipay does, in its charset; `sign_type` is added, and not signed."""
    encoding = _encoding(charset)
    pairs = [(name.encode(), value.encode(encoding)) for name, value in params.items()]
    signature = base64.b64encode(signer.sign(_joined(pairs)))
    return urlencode([*pairs, (b"sign", signature), (b"sign_type", SIGN_TYPE.encode())]).encode("ascii")


def believed_notice(body: bytes, *, verifiers: Iterable[Verifier]) -> dict[str, str]:
    """Return a notice's fields if one of the keys signed it; raise `Unbelieved` or `BodyMalformed`."""
    # Signed are bytes, whose charset is one of the fields: nothing is decoded before it is believed.
    fields = _form(body)
    if fields.pop(b"sign_type", b"") != SIGN_TYPE.encode():
        raise SignTypeWrong
    signature = fields.pop(b"sign", b"").decode("latin-1")
    messages = [_joined(fields.items())]
    if not all(fields.values()):
        messages.append(_joined((name, value) for name, value in fields.items() if value))
    _verify(signature, messages, verifiers=verifiers)
    encoding = _encoding(fields.get(b"charset", b"utf-8").decode("latin-1"))
    try:
        return {name.decode("ascii"): value.decode(encoding) for name, value in fields.items()}
    except UnicodeDecodeError as error:
        raise BodyMalformed("charset", f"the fields are not in {encoding}") from error


def answer_body(name: str, inner: str, *, signer: Signer | None, certificate_sn: str = "") -> bytes:
    """Write an answer as Alipay does; `inner` is the JSON that is signed."""
    rest = f',"alipay_cert_sn":"{certificate_sn}"' if certificate_sn else ""
    if signer is not None:
        rest += f',"sign":"{base64.b64encode(signer.sign(inner.encode())).decode("ascii")}"'
    return f'{{"{name}":{inner}{rest}}}'.encode()


def parse_envelope(body: bytes) -> Envelope:
    """Take an answer apart, keeping the exact text of its inner JSON."""
    try:
        members = _members(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BodyMalformed("body", "not JSON in UTF-8") from error
    names = [name for name in members if name.endswith("_response")]
    if len(names) != 1 or not members[names[0]].startswith("{"):
        raise BodyMalformed("body", "no single response")
    return Envelope(
        name=names[0],
        inner=members[names[0]],
        signature=_plain(members, "sign"),
        certificate_sn=_plain(members, "alipay_cert_sn"),
    )


def verify_envelope(envelope: Envelope, *, verifiers: Mapping[str, Verifier]) -> None:
    """Believe an answer, or raise `Unbelieved`; in key mode the one verifier is named ""."""
    verifier = verifiers.get(envelope.certificate_sn)
    if verifier is None:
        raise KeyUnknown(envelope.certificate_sn)
    _verify(envelope.signature, [envelope.inner.encode()], verifiers=[verifier])


def _form(body: bytes) -> dict[bytes, bytes]:
    """Return the fields of a form as the bytes that they stand for."""
    parts = [part for part in body.split(b"&", FIELDS_MAX) if part]
    fields = {}
    for part in parts:
        name, _, value = part.replace(b"+", b" ").partition(b"=")
        fields[unquote_to_bytes(name)] = unquote_to_bytes(value)
    if len(fields) != len(parts) or len(parts) > FIELDS_MAX:
        raise BodyMalformed("body", "a field comes twice, or there are too many")
    return fields


def _joined(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"&".join(name + b"=" + value for name, value in sorted(pairs))


def _verify(signature: str, messages: list[bytes], *, verifiers: Iterable[Verifier]) -> None:
    """Refuse a signature that is not strict base64 of a verifier's own."""
    if not 0 < len(signature) <= SIGNATURE_CHARS_MAX:
        raise SignatureWrong("missing or too long")
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureWrong("not base64") from error
    if base64.b64encode(raw).decode("ascii") != signature:
        raise SignatureWrong("not canonical base64")
    for verifier in verifiers:
        if any(verifier.is_genuine(raw, message=message) for message in messages):
            return
    raise SignatureWrong("does not belong to this message and key")


def _encoding(charset: str) -> str:
    encoding = _CHARSETS.get(charset.lower())
    if encoding is None:
        raise BodyMalformed("charset", "is none that Alipay writes")
    return encoding


def _members(text: str) -> dict[str, str]:
    """Return the members of the outermost JSON object, each value as the exact text of it."""
    decoder, members = json.JSONDecoder(), {}
    at = _skip(text, 0, "{")
    while True:  # every turn consumes a member, or raises
        name, at = decoder.raw_decode(text, at)
        start = _skip(text, at, ":")
        _, at = decoder.raw_decode(text, start)
        if not isinstance(name, str) or name in members:
            raise ValueError("a member without a name of its own")
        members[name] = text[start:at]
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too
        if text[at : at + 1] == "}" and not text[at + 1 :].strip():
            return members
        at = _skip(text, at, ",")


def _skip(text: str, at: int, mark: str) -> int:
    """Return where the next value begins, after a mark and the space around it."""
    found = re.compile(rf"[ \t\r\n]*{re.escape(mark)}[ \t\r\n]*").match(text, at)
    if found is None:
        raise ValueError(f"no {mark} at {at}")
    return found.end()


def _plain(members: Mapping[str, str], name: str) -> str:
    value: object = json.loads(members[name]) if name in members else ""
    if not isinstance(value, str):
        raise BodyMalformed(name, "must be a text")
    return value

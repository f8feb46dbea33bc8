"""Aliyun's signature, version 3: one HMAC over the canonical form of a request.

Algorithm: Aliyun OpenAPI, "V3 request body and signature mechanism".
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"
_HEADER = re.compile(
    rf"{ALGORITHM} Credential=(?P<key_id>[^,]{{1,128}}),"
    r"SignedHeaders=(?P<signed>[a-z0-9;-]{1,512}),"
    r"Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is signed: header names are lower case, the query is not yet escaped."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The parts of an `authorization` header."""

    key_id: str
    signed: tuple[str, ...]
    signature: str


def query_text(query: Mapping[str, str]) -> str:
    """Return a query in its canonical form, which is also the form to send."""
    return "&".join(f"{_escaped(name)}={_escaped(query[name])}" for name in sorted(query))


def body_hash(body: bytes) -> str:
    """Return what the header `x-acs-content-sha256` says of a body."""
    return hashlib.sha256(body).hexdigest()


def signed_headers(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the headers that are signed, in order."""
    return tuple(sorted(name for name in headers if name in {"host", "content-type"} or name[:6] == "x-acs-"))


def authorization(request: Request, *, key_id: str, secret: bytes) -> str:
    """Return the `authorization` header of a request that has all its other headers."""
    signed = signed_headers(request.headers)
    signature = signature_of(request, signed=signed, secret=secret)
    return f"{ALGORITHM} Credential={key_id},SignedHeaders={';'.join(signed)},Signature={signature}"


def signature_of(request: Request, *, signed: tuple[str, ...], secret: bytes) -> str:
    """Return the signature over a request and those of its headers that are named."""
    canonical = "\n".join(
        (
            request.method,
            request.path,
            query_text(request.query),
            "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in signed),
            ";".join(signed),
            body_hash(request.body),
        )
    )
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def read(header: str) -> Authorization | None:
    """Return the parts of an `authorization` header; None where it is no such header."""
    found = _HEADER.fullmatch(header)
    if found is None:
        return None
    return Authorization(
        key_id=found["key_id"], signed=tuple(found["signed"].split(";")), signature=found["signature"]
    )


def _escaped(text: str) -> str:
    return quote(text, safe="-_.~")  # RFC 3986: also what Aliyun asks for

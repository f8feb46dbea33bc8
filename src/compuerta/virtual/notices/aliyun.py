"""Aliyun's SendSms: the signature is checked to the last bit, then the account, the number and the fields."""

import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.virtual.notices.world import NoticesWorld, Received
from compuerta.wire.aliyun import signature

TOLERANCE: Final = timedelta(minutes=15)
NOTICES_PER_DAY_MAX: Final = 50  # to one number, of one signature and template
NONCES_MAX: Final = 100_000
_NUMBER = re.compile(r"1[3-9][0-9]{9}|[2-9][0-9]{7,14}", re.ASCII)
_FIELD_CHARS_MAX: Final = 35


class AliyunSide:
    """One account at Aliyun."""

    def __init__(self, world: NoticesWorld, *, key_id: str, secret: bytes) -> None:
        self._world = world
        self._key_id = key_id
        self._secret = secret
        self._nonces: set[str] = set()

    def answer(self, request: HttpRequest, *, now: datetime) -> HttpResponse:
        """Answer a request as Aliyun does: a code and words in JSON."""
        self._world.tallies["aliyun"].asked += 1
        path, _, query_text = request.path.partition("?")
        query = dict(parse_qsl(query_text, keep_blank_values=True))
        if (forged := self._forged(request, path, query, now=now)) is not None:
            self._world.tallies["aliyun"].forged += 1
            return _refused(400, forged, "the request is not signed as it should be")
        behaviour = self._world.behaviour("aliyun")
        code = behaviour.refuses_with or self._refusal(query, now=now)
        if code:
            status = 503 if code.startswith(("Throttling", "Service")) else 200
            return _refused(status, code, "refused")
        taken = self._world.take(
            Received(
                carrier="aliyun",
                at=now,
                to=query["PhoneNumbers"],
                message_id=query.get("OutId", ""),
                template=query["TemplateCode"],
                fields=json.loads(query["TemplateParam"]),
                subject=query["SignName"],
            )
        )
        return _json(200, {"Code": "OK", "Message": "OK", "BizId": taken.provider_id, "RequestId": "R"})

    def receipt(self, letter: Received, *, now: datetime) -> bytes:
        """Return the body of the receipt of a letter, as Aliyun posts it."""
        failed = self._world.behaviour("aliyun").undeliverable
        at = now.strftime("%Y-%m-%d %H:%M:%S")
        report = {
            "phone_number": letter.to,
            "send_time": at,
            "report_time": at,
            "success": not failed,
            "err_code": "UNDELIV" if failed else "DELIVERED",
            "err_msg": "",
            "sms_size": "1",
            "biz_id": letter.provider_id,
            "out_id": letter.message_id,
        }
        return json.dumps([report]).encode()

    def _forged(
        self, request: HttpRequest, path: str, query: Mapping[str, str], *, now: datetime
    ) -> str | None:
        parts = signature.read(request.headers.get("authorization", ""))
        if parts is None or parts.key_id != self._key_id:
            return "InvalidAccessKeyId.NotFound"
        headers = request.headers
        if headers.get("x-acs-content-sha256") != signature.body_hash(request.body):
            return "InvalidContentSha256"
        signed = signature.Request(
            method=request.method, path=path, query=query, headers=headers, body=request.body
        )
        expected = signature.signature_of(signed, signed=parts.signed, secret=self._secret)
        must = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"}
        if not must <= set(parts.signed) or not hmac.compare_digest(expected, parts.signature):
            return "SignatureDoesNotMatch"
        return self._stale(headers, now=now)

    def _stale(self, headers: Mapping[str, str], *, now: datetime) -> str | None:
        try:
            at = datetime.strptime(headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            return "InvalidTimeStamp.Format"
        if abs(now - at) > TOLERANCE:
            return "InvalidTimeStamp.Expired"
        nonce = headers["x-acs-signature-nonce"]
        if nonce in self._nonces or len(self._nonces) >= NONCES_MAX:
            return "SignatureNonceUsed"
        self._nonces.add(nonce)
        return None

    def _refusal(self, query: Mapping[str, str], *, now: datetime) -> str:
        """Return the code by which Aliyun refuses; "" where it takes the text."""
        if not query.get("SignName") or not query.get("TemplateCode", "").startswith("SMS_"):
            return "isv.SMS_TEMPLATE_ILLEGAL"
        if not _NUMBER.fullmatch(query.get("PhoneNumbers", "")):
            return "isv.MOBILE_NUMBER_ILLEGAL"
        try:
            fields = json.loads(query.get("TemplateParam", ""))
        except ValueError:
            fields = None
        if not isinstance(fields, dict) or not all(isinstance(text, str) for text in fields.values()):
            return "isv.INVALID_JSON_PARAM"
        if any(len(text) > _FIELD_CHARS_MAX for text in fields.values()):
            return "isv.PARAM_LENGTH_LIMIT"
        if any("://" in text for text in fields.values()):
            return "isv.PARAM_NOT_SUPPORT_URL"
        today = sum(
            each.carrier == "aliyun"
            and each.to == query["PhoneNumbers"]
            and now - each.at < timedelta(days=1)
            for each in self._world.received
        )
        return "isv.BUSINESS_LIMIT_CONTROL" if today >= NOTICES_PER_DAY_MAX else ""


def _refused(status: int, code: str, words: str) -> HttpResponse:
    return _json(status, {"Code": code, "Message": words, "RequestId": "R"})


def _json(status: int, body: Mapping[str, object]) -> HttpResponse:
    return HttpResponse(
        status=status, headers={"content-type": "application/json"}, body=json.dumps(body).encode()
    )

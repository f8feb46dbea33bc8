"""Texts by Aliyun: approved templates only, each with a signature; receipts come over HTTP.

Aliyun has no key that makes sending again harmless: what may have been taken is not sent again.
Codes and limits: Aliyun, "SendSms" and "API error codes"; limits per number: help 2881383.
"""

import json
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from compuerta.adapters.notify.answers import asked, object_in, plain, senseless, told
from compuerta.domain.address import AddressFaulty, require_address
from compuerta.domain.contact import Channel
from compuerta.services.notifier_port import Letter, Sent, Verdict
from compuerta.services.payment_ports import Chance, HttpRequest, HttpResponse
from compuerta.services.receiving import Receipt, Reply
from compuerta.wire.aliyun import signature

API_VERSION: Final = "2017-05-25"
NONCE_BYTES: Final = 16
FIELD_CHARS_MAX: Final = 35  # of a template's field in mainland texts; longer ones are refused as a whole
REPORTS_MAX: Final = 1_000  # in one body; they post a hundred at most
_CHINA: Final = "+86"
# What is said of this letter alone. Every other code tells of our account or of their house: later, and
# somebody has to look.
_OF_THE_LETTER: Mapping[str, Verdict] = MappingProxyType(
    {
        "isv.MOBILE_NUMBER_ILLEGAL": Verdict.REFUSED,
        "isv.MOBILE_COUNT_OVER_LIMIT": Verdict.REFUSED,
        "isv.SMS_TEMPLATE_ILLEGAL": Verdict.REFUSED,
        "isv.TEMPLATE_MISSING_PARAMETERS": Verdict.REFUSED,
        "isv.TEMPLATE_PARAMS_ILLEGAL": Verdict.REFUSED,
        "isv.INVALID_PARAMETERS": Verdict.REFUSED,
        "isv.INVALID_JSON_PARAM": Verdict.REFUSED,
        "isv.BLACK_KEY_CONTROL_LIMIT": Verdict.REFUSED,
        "isv.PARAM_LENGTH_LIMIT": Verdict.REFUSED,
        "isv.PARAM_NOT_SUPPORT_URL": Verdict.REFUSED,
        "isv.BUSINESS_LIMIT_CONTROL": Verdict.LATER,
        "isv.DAY_LIMIT_CONTROL": Verdict.LATER,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AliyunSettings:
    """An account at Aliyun: its key, its signature, and its approved templates by name and language."""

    key_id: str
    secret: bytes = field(repr=False)
    sign_name: str
    templates: Mapping[str, Mapping[str, str]]
    base_url: str


class AliyunSms:
    """See `notifier_port.HttpNotifier`."""

    repeat_within = timedelta(0)

    def __init__(self, settings: AliyunSettings) -> None:
        self._settings = settings
        self._host = urlsplit(settings.base_url).netloc

    def send(
        self, letter: Letter, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Sent]:
        """Hand a text over by its approved template."""
        code = letter.code or self._settings.templates.get(letter.template, {}).get(letter.language, "")
        if not code:
            missing = f"no approved template for {letter.template} in {letter.language}"
            return Sent(verdict=Verdict.REFUSED, detail=missing)
        answer = yield from asked(self._request(letter, code, now=now, nonce=chance(NONCE_BYTES).hex()))
        return answer if isinstance(answer, Sent) else _verdict(answer)

    def _request(self, letter: Letter, code: str, *, now: datetime, nonce: str) -> HttpRequest:
        # Links are part of an approved template, or not there at all (isv.PARAM_NOT_SUPPORT_URL).
        shown = {name: text[:FIELD_CHARS_MAX] for name, text in letter.fields.items() if "://" not in text}
        query = {
            "PhoneNumbers": _number(letter.address),
            "SignName": self._settings.sign_name,
            "TemplateCode": code,
            "TemplateParam": json.dumps(shown, ensure_ascii=False, sort_keys=True),
            "OutId": str(letter.message_id),  # their receipts repeat it
        }
        headers = {
            "host": self._host,
            "x-acs-action": "SendSms",
            "x-acs-version": API_VERSION,
            "x-acs-date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": nonce,
            "x-acs-content-sha256": signature.body_hash(b""),
        }
        signed = signature.authorization(
            signature.Request(method="POST", path="/", query=query, headers=headers),
            key_id=self._settings.key_id,
            secret=self._settings.secret,
        )
        return HttpRequest(
            method="POST",
            path=f"/?{signature.query_text(query)}",
            headers={**headers, "authorization": signed},
        )


def receipts_in(body: bytes, *, now: datetime) -> list[Receipt]:
    """Return what a posted body says of texts; what is no receipt in it is left out."""
    return [
        Receipt(
            channel=Channel.SMS,
            provider_id=plain(each["biz_id"]),
            message_id=_uuid(each.get("out_id")),
            delivered=each.get("success") is True,
            at=now,
            detail=told(each.get("err_code", ""), each.get("err_msg", "")),
        )
        for each in _reports(body)
        if "biz_id" in each
    ]


def replies_in(body: bytes, *, organisation_id: int | None) -> list[Reply]:
    """Return what people have written back, of a posted body."""
    replies = []
    for each in _reports(body):
        phone, words = each.get("phone_number"), each.get("content")
        if isinstance(phone, str) and isinstance(words, str):
            with suppress(AddressFaulty):
                address = require_address(Channel.SMS, phone)
                replies.append(
                    Reply(channel=Channel.SMS, address=address, words=words, organisation_id=organisation_id)
                )
    return replies


def _reports(body: bytes) -> list[dict[str, object]]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return []
    return [each for each in found[:REPORTS_MAX] if isinstance(each, dict)] if isinstance(found, list) else []


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _verdict(response: HttpResponse) -> Sent:
    answer = object_in(response)
    code = answer.get("Code") if answer is not None else None
    if answer is None or not isinstance(code, str):
        return senseless(response)
    if code == "OK":
        return Sent(verdict=Verdict.ACCEPTED, provider_id=plain(answer.get("BizId", "")), detail="OK")
    detail = told(code, answer.get("Message", ""))
    if code in _OF_THE_LETTER:
        return Sent(verdict=_OF_THE_LETTER[code], detail=detail)
    return Sent(verdict=Verdict.LATER, detail=detail, healthy=False)


def _number(address: str) -> str:
    """Return a phone as Aliyun writes it: at home without the country, abroad without the plus."""
    return address.removeprefix(_CHINA) if address.startswith(_CHINA) else address.removeprefix("+")

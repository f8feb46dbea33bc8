"""Template messages of a WeChat service account.

The token is asked for at `stable_token`, which gives everybody the same one while it lasts: several workers
never take it from each other, as they do at the older `token`. `client_msg_id` makes sending again harmless
for ten minutes.
"""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from compuerta.adapters.notify.answers import asked, object_in, plain, senseless, told
from compuerta.services.notifier_port import Letter, Sent, Verdict
from compuerta.services.payment_ports import Chance, HttpRequest, HttpResponse

TOKEN_PATH: Final = "/cgi-bin/stable_token"
SEND_PATH: Final = "/cgi-bin/message/template/send"
TOKEN_SPARE: Final = timedelta(minutes=5)  # a token is renewed so long before its end
TOKEN_S_MAX: Final = 86_400
_JSON: Final = {"content-type": "application/json"}
_TOKEN_GONE: Final = frozenset({40001, 40014, 42001})
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_OF_THE_LETTER: Mapping[int, Verdict] = MappingProxyType(
    {
        45065: Verdict.ACCEPTED,  # this client_msg_id was taken before
        40003: Verdict.REFUSED,  # no such openid here
        40037: Verdict.REFUSED,  # no such template
        41028: Verdict.REFUSED,
        47003: Verdict.REFUSED,  # the fields are not the template's
        43004: Verdict.UNWANTED,  # follows us no more
        43101: Verdict.UNWANTED,  # has refused, or never agreed
        45011: Verdict.LATER,
        43108: Verdict.LATER,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WechatTemplateSettings:
    """A service account, and its templates by name and language."""

    appid: str
    secret: str = field(repr=False)
    templates: Mapping[str, Mapping[str, str]]


class WechatTemplate:
    """See `notifier_port.HttpNotifier`; keeps the token for one process."""

    repeat_within = timedelta(minutes=10)

    def __init__(self, settings: WechatTemplateSettings) -> None:
        self._settings = settings
        self._token = ""
        self._token_until = _NEVER

    def send(
        self, letter: Letter, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Sent]:
        """Hand a template message over; a token that is gone is renewed once."""
        code = letter.code or self._settings.templates.get(letter.template, {}).get(letter.language, "")
        if not code:
            missing = f"no approved template for {letter.template} in {letter.language}"
            return Sent(verdict=Verdict.REFUSED, detail=missing)
        sent = yield from self._send(letter, code, now=now)
        if sent is None:
            self._token_until = _NEVER
            sent = yield from self._send(letter, code, now=now)
        return sent or Sent(verdict=Verdict.LATER, detail="a new token is refused too", healthy=False)

    def _send(
        self, letter: Letter, code: str, *, now: datetime
    ) -> Generator[HttpRequest, HttpResponse, Sent | None]:
        """Send once; None where the token is not taken."""
        if now >= self._token_until and (trouble := (yield from self._renew(now=now))) is not None:
            return trouble
        answer = yield from asked(self._request(letter, code))
        if isinstance(answer, Sent):
            return answer
        said = object_in(answer)
        number = said.get("errcode") if said is not None else None
        if said is None or not isinstance(number, int):
            return senseless(answer)
        return None if number in _TOKEN_GONE else _verdict(number, said)

    def _renew(self, *, now: datetime) -> Generator[HttpRequest, HttpResponse, Sent | None]:
        """Get a token; whatever goes wrong here, nothing was sent."""
        wish = {
            "grant_type": "client_credential",
            "appid": self._settings.appid,
            "secret": self._settings.secret,
        }
        request = HttpRequest(method="POST", path=TOKEN_PATH, headers=_JSON, body=json.dumps(wish).encode())
        answer = yield from asked(request)
        if isinstance(answer, Sent):
            return Sent(verdict=Verdict.LATER, detail=f"no token: {answer.detail}", healthy=False)
        said = object_in(answer) or {}
        token, lasts_s = said.get("access_token"), said.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(lasts_s, int):
            detail = told(said.get("errcode", f"HTTP {answer.status}"), said.get("errmsg", "no token"))
            return Sent(verdict=Verdict.LATER, detail=detail, healthy=False)
        self._token = token
        self._token_until = now + timedelta(seconds=min(lasts_s, TOKEN_S_MAX)) - TOKEN_SPARE
        return None

    def _request(self, letter: Letter, code: str) -> HttpRequest:
        wish: dict[str, object] = {
            "touser": letter.address,
            "template_id": code,
            "client_msg_id": str(letter.message_id),
            "data": {name: {"value": text} for name, text in letter.fields.items()},
        }
        if url := letter.fields.get("pay_link") or letter.fields.get("receipt_link"):
            wish["url"] = url
        return HttpRequest(
            method="POST",
            path=f"{SEND_PATH}?access_token={quote(self._token, safe='')}",
            headers=_JSON,
            body=json.dumps(wish, ensure_ascii=False).encode(),
        )


def _verdict(number: int, said: Mapping[str, object]) -> Sent:
    detail = told(number, said.get("errmsg", ""))
    if number == 0:
        return Sent(verdict=Verdict.ACCEPTED, provider_id=plain(said.get("msgid", "")), detail="OK")
    if number in _OF_THE_LETTER:
        return Sent(verdict=_OF_THE_LETTER[number], detail=detail)
    return Sent(verdict=Verdict.LATER, detail=detail, healthy=False)  # 45009: the day's limit; 48001; -1; ...

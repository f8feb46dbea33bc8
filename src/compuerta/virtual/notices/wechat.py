"""A WeChat service account: tokens that end, and template messages to those who follow it."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.virtual.notices.world import NoticesWorld, Received

TOKEN_LASTS: Final = timedelta(hours=2)


class WechatSide:
    """One service account."""

    def __init__(self, world: NoticesWorld, *, appid: str, secret: str) -> None:
        self._world = world
        self._account = (appid, secret)
        self._token = ""
        self._token_until: datetime | None = None
        self._tokens = 0

    def end_token(self) -> None:
        """Let the token end before its time, as when somebody asks for a new one by force."""
        self._token_until = None

    def answer(self, request: HttpRequest, *, now: datetime) -> HttpResponse:
        """Answer a request as WeChat does: always 200, with a number for what was wrong."""
        self._world.tallies["wechat"].asked += 1
        path, _, query = request.path.partition("?")
        wish = _object(request.body)
        match path:
            case "/cgi-bin/stable_token":
                return self._give_token(wish, now=now)
            case "/cgi-bin/message/template/send":
                token = dict(parse_qsl(query)).get("access_token", "")
                return self._take(wish, token, now=now)
            case _:
                return HttpResponse(status=404)

    def _give_token(self, wish: Mapping[str, object], *, now: datetime) -> HttpResponse:
        if (wish.get("appid"), wish.get("secret")) != self._account:
            return _number(40125, "invalid appsecret")
        if self._token_until is None or now >= self._token_until:
            self._tokens += 1
            self._token = f"token-{self._tokens}"
            self._token_until = now + TOKEN_LASTS
        lasts_s = int((self._token_until - now).total_seconds())
        return _json({"access_token": self._token, "expires_in": lasts_s})

    def _take(self, wish: Mapping[str, object], token: str, *, now: datetime) -> HttpResponse:
        if token != self._token or self._token_until is None:
            return _number(40001, "invalid credential, access_token is invalid or not latest")
        if now >= self._token_until:
            return _number(42001, "access_token expired")
        if refuses_with := self._world.behaviour("wechat").refuses_with:
            return _number(int(refuses_with), "refused")
        to, template, words = wish.get("touser"), wish.get("template_id"), wish.get("data")
        if not isinstance(to, str) or not to.startswith("o"):
            return _number(40003, "invalid openid")
        if not isinstance(template, str) or not template:
            return _number(40037, "invalid template_id")
        if not isinstance(words, dict) or not all(isinstance(each, dict) for each in words.values()):
            return _number(47003, "argument invalid")
        message_id = str(wish.get("client_msg_id", ""))
        if message_id and self._world.known("wechat", message_id) is not None:
            self._world.tallies["wechat"].repeated += 1
            return _number(45065, "clientmsgid exist")
        taken = self._world.take(
            Received(
                carrier="wechat",
                at=now,
                to=to,
                message_id=message_id,
                template=template,
                fields={name: str(each.get("value", "")) for name, each in words.items()},
            )
        )
        return _json({"errcode": 0, "errmsg": "ok", "msgid": taken.provider_id})


def _object(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(number: int, words: str) -> HttpResponse:
    return _json({"errcode": number, "errmsg": words})


def _json(body: Mapping[str, object]) -> HttpResponse:
    return HttpResponse(
        status=200, headers={"content-type": "application/json"}, body=json.dumps(body).encode()
    )

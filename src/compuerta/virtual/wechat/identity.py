"""Tells a service account who opens its page: a code to the browser, and for it, once, the open id."""

from datetime import datetime, timedelta
from random import Random
from urllib.parse import parse_qs, urlencode

from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.wire.wechat import fields

AUTHORISE_PATH = "/connect/oauth2/authorize"
_TOKEN_PATH = "/sns/oauth2/access_token"
CODE_LIFE = timedelta(minutes=5)
CODES_MAX = 1_000  # that nobody has come back with
OPEN_ID = "oSimulatedPayer"  # whoever looks is the one simulated payer
_CODE_INVALID, _SECRET_INVALID = 40029, 40125


class Identity:
    """The codes of one service account that were given out and not used."""

    def __init__(self, *, appid: str, secret: str, random: Random) -> None:
        self._appid = appid
        self._secret = secret
        self._random = random
        self._codes: dict[str, datetime] = {}

    def answer(self, request: HttpRequest, now: datetime) -> HttpResponse | None:
        """Answer a browser or the account's server; None where the address is another's."""
        path, _, query = request.path.partition("?")
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        if (request.method, path) == ("GET", AUTHORISE_PATH):
            return self._back(asked, now)
        if (request.method, path) == ("GET", _TOKEN_PATH):
            return self._told(asked, now)
        return None

    def _back(self, asked: dict[str, str], now: datetime) -> HttpResponse:
        back_to = asked.get("redirect_uri", "")
        is_ours = asked.get("appid") == self._appid and back_to.startswith(("https://", "http://"))
        if not is_ours or len(self._codes) >= CODES_MAX:
            return HttpResponse(status=400, body=b"redirect_uri or appid is wrong")
        code = self._random.randbytes(16).hex()
        self._codes[code] = now + CODE_LIFE
        more = urlencode({"code": code, "state": asked.get("state", "")})
        joint = "&" if "?" in back_to else "?"
        return HttpResponse(status=302, headers={"location": f"{back_to}{joint}{more}"})

    def _told(self, asked: dict[str, str], now: datetime) -> HttpResponse:
        if (asked.get("appid"), asked.get("secret")) != (self._appid, self._secret):
            return _json({"errcode": _SECRET_INVALID, "errmsg": "invalid appsecret"})
        if now >= self._codes.pop(asked.get("code", ""), now):
            return _json({"errcode": _CODE_INVALID, "errmsg": "invalid code"})
        return _json({"openid": OPEN_ID, "scope": "snsapi_base"})


def _json(told: dict[str, object]) -> HttpResponse:
    # Refusals have the status 200 there, too.
    return HttpResponse(
        status=200, headers={"content-type": "application/json"}, body=fields.write_object(told)
    )

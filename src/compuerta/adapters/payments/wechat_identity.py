"""Who somebody is to a WeChat service account: their open id, which paying inside WeChat asks for.

A web page learns it in two steps: the browser goes to WeChat and comes back with a code, and the code is
exchanged for the open id, once, with the secret of the service account. Nothing else is learnt of them.
"""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import HttpRequest, HttpResponse

AUTHORISE_URL: Final = "https://open.weixin.qq.com/connect/oauth2/authorize"
IDENTITY_URL: Final = "https://api.weixin.qq.com"
CODE_CHARS_MAX: Final = 512
_OPEN_ID_CHARS_MAX: Final = 128


class NotIdentified(Refused):
    """WeChat did not say who it is: the code is used up, too old, or never was one."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"WeChat did not say who pays ({reason}); open the page again")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class WechatIdentity:
    """A service account that tells who opens its pages."""

    appid: str
    secret: str
    authorise_url: str = AUTHORISE_URL
    identity_url: str = IDENTITY_URL

    def authorise_at(self, *, back_to: str, state: str) -> str:
        """Return where the browser goes to be known; it comes back with `code` and our state."""
        asked = {
            "appid": self.appid,
            "redirect_uri": back_to,
            "response_type": "code",
            "scope": "snsapi_base",  # the open id alone, and nobody is asked
            "state": state,
        }
        return f"{self.authorise_url}?{urlencode(asked)}#wechat_redirect"

    def identify(self, code: str) -> Generator[HttpRequest, HttpResponse, str]:
        """Exchange a code for the open id; refuses with `NotIdentified`."""
        asked = {
            "appid": self.appid,
            "secret": self.secret,
            "code": code[:CODE_CHARS_MAX],
            "grant_type": "authorization_code",
        }
        path = f"/sns/oauth2/access_token?{urlencode(asked)}"
        answer = yield HttpRequest(method="GET", path=path, base_url=self.identity_url)
        told = _object(answer.body)
        open_id = told.get("openid")
        if answer.status != 200 or not isinstance(open_id, str):
            raise NotIdentified(str(told.get("errcode", answer.status)))
        if not 0 < len(open_id) <= _OPEN_ID_CHARS_MAX or not open_id.isascii():
            raise NotIdentified("an odd answer")
        return open_id


def _object(body: bytes) -> Mapping[str, object]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}

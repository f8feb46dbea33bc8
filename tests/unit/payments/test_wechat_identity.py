"""Who pays inside WeChat: where the browser goes, and what is believed of the answer."""

import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.wechat_identity import NotIdentified, WechatIdentity
from compuerta.apps.entries import EntryMalformed
from compuerta.apps.identities import identities_in
from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.virtual.wechat.identity import AUTHORISE_PATH, Identity
from compuerta.virtual.wechat.identity import OPEN_ID as WHO_LOOKS

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
OPEN_ID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
IDENTITY = WechatIdentity(appid="wx1", secret="kept & secret")


def identified(body: bytes, *, status: int = 200) -> str:
    return converse_with(IDENTITY.identify("code"), lambda _request: HttpResponse(status=status, body=body))


def test_the_browser_goes_to_wechat_without_the_secret() -> None:
    address = IDENTITY.authorise_at(back_to="https://volta.example/p/x/wallet?a=b", state="s1")

    asked = parse_qs(urlsplit(address).query)
    assert asked["redirect_uri"] == ["https://volta.example/p/x/wallet?a=b"]
    assert (asked["appid"], asked["scope"], asked["state"]) == (["wx1"], ["snsapi_base"], ["s1"])
    assert address.endswith("#wechat_redirect")
    assert "kept" not in address


def test_a_code_is_exchanged_for_the_open_id_at_wechat_alone() -> None:
    asked: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpResponse:
        asked.append(request)
        return HttpResponse(status=200, body=json.dumps({"openid": OPEN_ID}).encode())

    assert converse_with(IDENTITY.identify("code&secret=x"), answer) == OPEN_ID
    (request,) = asked
    told = parse_qs(urlsplit(request.path).query)
    assert (told["code"], told["secret"]) == (["code&secret=x"], ["kept & secret"])
    assert request.base_url == "https://api.weixin.qq.com"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"errcode": 40163, "errmsg": "code been used"}',
        b'{"openid": 7}',
        b'{"openid": ""}',
        json.dumps({"openid": "x" * 129}).encode(),
        '{"openid": "名字"}'.encode(),
    ],
)
def test_an_answer_without_an_open_id_identifies_nobody(body: bytes) -> None:
    with pytest.raises(NotIdentified):
        identified(body)


def test_an_answer_that_is_no_success_identifies_nobody() -> None:
    with pytest.raises(NotIdentified):
        identified(json.dumps({"openid": OPEN_ID}).encode(), status=500)


def test_an_account_without_the_secret_identifies_nobody(tmp_path: Path) -> None:
    (tmp_path / "app.key").write_text("kept\n")
    entries = [
        {"name": "wechat", "kind": "wechat", "appid": "wx1", "app_secret": "app.key"},
        {"name": "wechat-2", "kind": "wechat", "appid": "wx2"},
    ]
    (tmp_path / "providers.json").write_text(json.dumps(entries))

    known = identities_in(tmp_path / "providers.json")

    assert known == {"wechat": WechatIdentity(appid="wx1", secret="kept")}


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    entry = {"name": "wechat", "kind": "wechat", "appid": "wx1", "app_secret": "gone.key"}
    (tmp_path / "providers.json").write_text(json.dumps([entry]))

    with pytest.raises(EntryMalformed, match="app_secret"):
        identities_in(tmp_path / "providers.json")


def test_the_simulated_wechat_tells_who_it_is_once() -> None:
    world = Identity(appid="wx1", secret="kept & secret", random=Random(52))

    def answer(request: HttpRequest) -> HttpResponse:
        found = world.answer(request, NOON)
        assert found is not None
        return found

    address = urlsplit(IDENTITY.authorise_at(back_to="https://volta.example/back", state="s1"))
    sent = answer(HttpRequest(method="GET", path=f"{AUTHORISE_PATH}?{address.query}"))
    back = parse_qs(urlsplit(sent.headers["location"]).query)

    assert (sent.status, back["state"]) == (302, ["s1"])
    assert converse_with(IDENTITY.identify(back["code"][0]), answer) == WHO_LOOKS
    with pytest.raises(NotIdentified, match="40029"):
        converse_with(IDENTITY.identify(back["code"][0]), answer)

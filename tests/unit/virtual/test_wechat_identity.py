"""The simulated WeChat tells a page who opens it, as the real one does: once, and to the account alone."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.unit.payments.wechat_side import APPID, NOON, a_cheap_pair

from compuerta.adapters.payments.http import converse_with
from compuerta.adapters.payments.wechat_identity import NotIdentified, WechatIdentity
from compuerta.services.payment_ports import HttpRequest
from compuerta.virtual.wechat.opening import merchant_entry
from compuerta.virtual.wechat.orders import Terms
from compuerta.virtual.wechat.world import WechatWorld

SECRET = Terms(mchid="", appid="").app_secret


def an_identity(*, secret: str = SECRET, appid: str = APPID) -> WechatIdentity:
    return WechatIdentity(appid=appid, secret=secret, authorise_url="http://sim/connect/oauth2/authorize")


def sent_back(world: WechatWorld, identity: WechatIdentity) -> dict[str, list[str]]:
    """Where the browser is sent after it has asked."""
    parts = urlsplit(identity.authorise_at(back_to="https://pay.example.org/p/token?lang=es", state="s7"))
    answer = world.answer(HttpRequest(method="GET", path=f"{parts.path}?{parts.query}"), NOON)
    assert answer.status == 302
    assert answer.headers["location"].startswith("https://pay.example.org/p/token?lang=es&code=")
    return parse_qs(urlsplit(answer.headers["location"]).query)


def test_a_browser_comes_back_with_our_state_and_a_code_for_one_open_id() -> None:
    (world, _), identity = a_cheap_pair(), an_identity()

    back = sent_back(world, identity)
    steps = identity.identify(back["code"][0])

    assert back["state"] == ["s7"]
    assert converse_with(steps, lambda request: world.answer(request, NOON)) == "oSimulatedPayer"
    with pytest.raises(NotIdentified):
        converse_with(identity.identify(back["code"][0]), lambda request: world.answer(request, NOON))


def test_a_code_is_not_told_to_a_stranger_nor_after_five_minutes() -> None:
    world, _ = a_cheap_pair()
    (code,) = sent_back(world, an_identity())["code"]

    with pytest.raises(NotIdentified):
        converse_with(an_identity(secret="?").identify(code), lambda request: world.answer(request, NOON))
    with pytest.raises(NotIdentified):
        converse_with(
            an_identity().identify(code), lambda request: world.answer(request, NOON + timedelta(minutes=5))
        )


@pytest.mark.parametrize(
    "query", ["", f"appid={APPID}&redirect_uri=javascript:x", "appid=wx9&redirect_uri=https://x"]
)
def test_nobody_is_sent_anywhere_else(query: str) -> None:
    world, _ = a_cheap_pair()

    answer = world.answer(HttpRequest(method="GET", path=f"/connect/oauth2/authorize?{query}"), NOON)

    assert (answer.status, "location" in answer.headers) == (400, False)


@pytest.mark.slow  # it makes keys
def test_the_merchants_entry_leads_to_it(tmp_path: Path) -> None:
    entry = merchant_entry(
        tmp_path, name="wechat", base_url="http://127.0.0.1:8701/wechat", notify_url="http://x/n", now=NOON
    )

    assert entry["authorise_url"] == "http://127.0.0.1:8701/wechat/connect/oauth2/authorize"
    assert Path(str(entry["app_secret"])).read_text("utf-8") == SECRET

"""A WeChat account in providers.json: its flows, its app ids, its domain, and whether its money exists."""

import json
from pathlib import Path

import pytest
from tests.unit.payments.wechat_side import real_keys

from compuerta.apps.entries import EntryMalformed
from compuerta.apps.wiring import providers_in
from compuerta.domain.payment import Flow
from compuerta.services.payment_ports import Capabilities


def capabilities(directory: Path, **changes: object) -> Capabilities:
    keys = real_keys()
    (directory / "merchant.pem").write_bytes(keys.merchant_key_pem)
    (directory / "platform.pem").write_bytes(keys.platform_public_key_pem)
    (directory / "api_v3.key").write_bytes(keys.api_key + b"\n")
    entry: dict[str, object] = {
        "name": "wechat",
        "kind": "wechat",
        "mchid": "1900000001",
        "appid": "wx0000000000000001",
        "merchant_key": "merchant.pem",
        "merchant_serial": "3E5C",
        "api_key": "api_v3.key",
        "platform_keys": {"PUB_KEY_ID_1": "platform.pem"},
        "base_url": "https://api.mch.weixin.qq.com",
        "notify_url": "https://pay.example.org/notices/wechat",
    }
    path = directory / "providers.json"
    path.write_text(json.dumps([entry | changes]), encoding="utf-8")
    return providers_in(path)["wechat"].capabilities


def test_an_account_is_live_and_has_the_qr_alone_unless_it_says_more(tmp_path: Path) -> None:
    given = capabilities(tmp_path)

    assert (given.flows, given.live) == (frozenset({Flow.QR}), True)


def test_an_account_has_the_flows_that_it_names(tmp_path: Path) -> None:
    given = capabilities(
        tmp_path, flows=["qr", "wallet", "app", "web", "code"], appids={"app": "wx2"},
        h5_domain="pay.example.org", live=False,
    )  # fmt: skip

    assert given.flows == {Flow.QR, Flow.WALLET, Flow.APP, Flow.WEB, Flow.CODE}
    assert not given.live


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"flows": ["desktop"]}, "flows"),
        ({"flows": ["qr", "cash"]}, "flows"),
        ({"flows": ["web"]}, "h5_domain: is missing"),
        ({"flows": ["web"], "h5_domain": "https://pay.example.org/"}, "h5_domain"),
        ({"appids": {"app": "wx2"}}, "appids: 'app'"),
        ({"appids": ["wx2"]}, "appids"),
        ({"appids": {"qr": 7}}, "appids"),
        ({"live": "no"}, "live"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_field(
    tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(EntryMalformed, match=says):
        capabilities(tmp_path, **changes)

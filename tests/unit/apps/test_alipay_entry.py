"""An Alipay account is used whole, or refused by its field; test money and real money are never mixed."""

import json
from pathlib import Path

import pytest
from tests.unit.payments.alipay_side import real_keys

from compuerta.adapters.payments.alipay import FLOWS, Alipay
from compuerta.apps import wiring
from compuerta.apps.alipay_entry import GATEWAY, SANDBOX
from compuerta.apps.entries import EntryMalformed
from compuerta.domain.payment import Flow
from compuerta.services.payment_ports import PaymentProvider

CERTIFIED = {
    "alipay_keys": ["alipay_certificate.pem"],
    "app_certificate": "app_certificate.pem",
    "root_certificates": "roots.pem",
}


@pytest.fixture(scope="module")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keys, directory = real_keys(), tmp_path_factory.mktemp("keys")
    (directory / "app.pem").write_bytes(keys.app_key)
    (directory / "alipay.pem").write_bytes(keys.alipay_public)
    (directory / "alipay_certificate.pem").write_bytes(keys.alipay_certificate)
    (directory / "app_certificate.pem").write_bytes(keys.app_certificate)
    (directory / "roots.pem").write_bytes(keys.root_certificates)
    return directory


def an_account(directory: Path, **changes: object) -> PaymentProvider:
    entry = {
        "name": "alipay-north",
        "kind": "alipay",
        "app_id": "2021000000000001",
        "seller_id": "2088000000000001",
        "app_key": "app.pem",
        "alipay_keys": ["alipay.pem"],
        "base_url": GATEWAY,
        "notify_url": "https://pay.example.org/notices/alipay-north",
        **changes,
    }
    path = directory / wiring.PROVIDERS_FILE
    path.write_text(json.dumps([entry]), encoding="utf-8")
    return wiring.providers_in(path)["alipay-north"]


@pytest.mark.parametrize("changes", [{}, CERTIFIED], ids=["by key", "by certificate"])
def test_an_entry_becomes_an_account_with_every_flow(keys_dir: Path, changes: dict[str, object]) -> None:
    account = an_account(keys_dir, **changes)

    assert isinstance(account, Alipay)
    assert (account.capabilities.live, account.capabilities.flows) == (True, FLOWS)


def test_an_account_may_have_signed_up_for_some_flows_and_for_play_money(keys_dir: Path) -> None:
    account = an_account(keys_dir, flows=["qr", "code"], live=False, base_url=SANDBOX)

    assert account.capabilities.flows == {Flow.QR, Flow.CODE}
    assert not account.capabilities.live


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"live": False}, "base_url"),
        ({"base_url": SANDBOX}, "base_url"),
        ({"base_url": f"{SANDBOX}/"}, "base_url"),
        ({"live": "no"}, "live"),
        ({"flows": ["cash"]}, "flows"),
        ({"flows": []}, "flows"),
        ({"alipay_keys": "alipay.pem"}, "alipay_keys"),
        ({"alipay_keys": []}, "alipay_keys"),
        ({"alipay_keys": ["app.pem"]}, "key"),
        ({"app_key": "alipay.pem"}, "key"),
        ({"app_key": "none.pem"}, "app_key"),
        ({"app_certificate": "app_certificate.pem"}, "root_certificates"),
        ({**CERTIFIED, "root_certificates": "app.pem"}, "certificate"),
        ({"seller_id": ""}, "seller_id"),
        ({"notify_url": "pay.example.org"}, "notify_url"),
        ({"return_url": 3}, "return_url"),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused_by_its_field(
    keys_dir: Path, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(EntryMalformed, match=rf"alipay-north\).*{field}") as refused:
        an_account(keys_dir, **changes)

    assert "PRIVATE" not in str(refused.value)

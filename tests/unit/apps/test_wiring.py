"""providers.json is used whole, or refused by entry and field; nothing else ever reaches its writer."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.payments.wechat_side import real_keys

from compuerta.adapters.payments.biller import Biller
from compuerta.adapters.payments.till import CashTill
from compuerta.adapters.payments.wechat import WechatPay
from compuerta.apps import config, wiring
from compuerta.apps.entries import EntryMalformed

TILL = {"name": "till", "kind": "till", "currencies": ["CNY", "MXN"]}
REMOVED = object()


@pytest.fixture(scope="module")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keys, directory = real_keys(), tmp_path_factory.mktemp("keys")
    (directory / "merchant.pem").write_bytes(keys.merchant_key_pem)
    (directory / "api_v3.key").write_bytes(keys.api_key + b"\n")
    (directory / "platform.pem").write_bytes(keys.platform_public_key_pem)
    (directory / "short.key").write_bytes(b"too short")
    return directory


def a_wechat(**changes: object) -> dict[str, object]:
    entry = {
        "name": "wechat",
        "kind": "wechat",
        "mchid": "1900000001",
        "appid": "wx0000000000000001",
        "merchant_key": "merchant.pem",
        "merchant_serial": "3E5C",
        "api_key": "api_v3.key",
        "platform_keys": {"PUB_KEY_ID_1": "platform.pem"},
        "base_url": "https://api.example.org",
        "notify_url": "https://pay.example.org/notices/wechat",
    }
    return {name: value for name, value in {**entry, **changes}.items() if value is not REMOVED}


TEXTS = [field for field in a_wechat() if field not in ("name", "platform_keys")]


def written(directory: Path, content: object) -> Path:
    path = directory / wiring.PROVIDERS_FILE
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_every_entry_becomes_a_provider_by_its_name(keys_dir: Path) -> None:
    path = written(keys_dir, [a_wechat(), TILL, {**TILL, "name": "till-2"}])

    found = wiring.providers_in(path)

    assert list(found) == ["wechat", "till", "till-2"]
    assert [type(provider) for provider in found.values()] == [WechatPay, CashTill, CashTill]
    assert found["till-2"].name == "till-2"
    assert found["till"].capabilities.currencies == {"CNY", "MXN"}


def test_without_a_file_there_are_no_providers(tmp_path: Path) -> None:
    assert wiring.providers_in(tmp_path / "providers.json") == {}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[{]", r"line 1: "),
        ("", r"line 1: "),
        ("[" * 100_000, r"is not JSON in UTF-8"),
        ({"wechat": {}}, r"has to be a list"),
        (None, r"has to be a list"),
        ([TILL] * 1_001, r"has to be a list of at most 1000"),
        (["till"], r"entry 1 has to be an object"),
        ([TILL, None], r"entry 2 has to be an object"),
        ([TILL, TILL], r"entry 2: name: 'till' comes twice"),
        ([{"kind": "till"}], r"entry 1: name: is missing"),
        ([{**TILL, "name": 7}], r"entry 1: name: has to be a text"),
        ([{**TILL, "name": "a/b"}], r"entry 1: name: write"),
        ([{**TILL, "name": "till\n"}], r"entry 1: name: write"),
        ([{"name": "till"}], r"entry 1 \(till\): kind: is missing"),
        ([{"name": "till", "kind": ["till"]}], r"entry 1 \(till\): kind: has to be a text"),
        ([{"name": "a", "kind": "barter"}], r"entry 1 \(a\): kind: 'barter' is not one of"),
        ([{"name": "till", "kind": "till"}], r"entry 1 \(till\): currencies: has to be a list"),
        ([{**TILL, "currencies": "CNY"}], r"currencies: has to be a list"),
        ([{**TILL, "currencies": []}], r"currencies: has to be a list"),
        ([{**TILL, "currencies": ["CNY", 7]}], r"currencies: has to be a list"),
        ([{**TILL, "currencies": ["cny"]}], r"currencies: currency 'cny' is not known"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_by_entry_and_field(
    tmp_path: Path, content: object, complaint: str
) -> None:
    path = written(tmp_path, content)

    with pytest.raises(EntryMalformed, match=complaint) as refused:
        wiring.providers_in(path)

    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        *(({field: REMOVED}, f"{field}: is missing") for field in TEXTS),
        *(({field: 7}, f"{field}: has to be a text") for field in TEXTS),
        ({"platform_keys": REMOVED}, "platform_keys: has to name at least one"),
        ({"platform_keys": {}}, "platform_keys: has to name at least one"),
        ({"platform_keys": ["platform.pem"]}, "platform_keys: has to name at least one"),
        ({"platform_keys": {"PUB_KEY_ID_1": None}}, "platform_keys: has to name at least one"),
        ({"platform_keys": {"PUB_KEY_ID_1": "gone.pem"}}, r"platform_keys: 'gone\.pem' cannot be read"),
        ({"platform_keys": {"PUB_KEY_ID_1": "api_v3.key"}}, "neither a public key nor a certificate"),
        ({"merchant_key": "gone.pem"}, r"merchant_key: 'gone\.pem' cannot be read"),
        ({"merchant_key": "."}, r"merchant_key: '\.' cannot be read"),
        ({"merchant_key": "a\x00b"}, "merchant_key: .* cannot be read"),
        ({"merchant_key": "platform.pem"}, "no private key"),
        ({"api_key": "short.key"}, "9 bytes|32 bytes"),
        ({"base_url": "api.example.org"}, "base_url: has to begin with https://"),
        ({"notify_url": "/notices/wechat"}, "notify_url: has to begin with https://"),
    ],
)  # fmt: skip
def test_a_merchant_account_that_cannot_be_used_is_refused_by_entry_and_field(
    keys_dir: Path, changes: Mapping[str, object], complaint: str
) -> None:
    path = written(keys_dir, [TILL, a_wechat(**changes)])

    with pytest.raises(EntryMalformed, match=rf"entry 2 \(wechat\): .*({complaint})"):
        wiring.providers_in(path)


def test_a_file_in_another_encoding_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'["\xe9"]')

    with pytest.raises(EntryMalformed, match="is not JSON in UTF-8"):
        wiring.providers_in(tmp_path / "latin.json")
    with pytest.raises(EntryMalformed, match="cannot be read"):
        wiring.providers_in(tmp_path)


def test_without_a_database_of_its_own_an_installation_has_the_embedded_one(tmp_path: Path) -> None:
    given = config.settings({"COMPUERTA_DATA": str(tmp_path)})
    named = config.settings({"COMPUERTA_DATA": str(tmp_path), "DATABASE_URL": "host=db"})

    assert str(tmp_path / "postgres") in wiring.database_url(given)
    assert wiring.database_url(named) == "host=db"
    assert list(tmp_path.iterdir()) == [], "to ask for an address starts nothing"


BILLER = {"name": "shop", "kind": "biller", "currencies": ["CNY"], "reverse_within_min": 60}


def test_a_biller_is_wired_with_its_time_to_reverse(tmp_path: Path) -> None:
    found = wiring.providers_in(written(tmp_path, [{**BILLER, "live": False}]))["shop"]

    assert isinstance(found, Biller)
    assert found.reverse_within == timedelta(hours=1)
    assert not found.capabilities.live


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"reverse_within_min": None}, "reverse_within_min: write a whole number"),
        ({"reverse_within_min": -1}, "reverse_within_min: write a whole number"),
        ({"reverse_within_min": 1_441}, "reverse_within_min: write a whole number"),
        ({"reverse_within_min": True}, "reverse_within_min: write a whole number"),
        ({"currencies": []}, "currencies"),
        ({"live": "no"}, "live: has to be true or false"),
    ],
)
def test_a_biller_that_cannot_be_used_is_refused_by_field(
    tmp_path: Path, changes: Mapping[str, object], complaint: str
) -> None:
    with pytest.raises(EntryMalformed, match=complaint):
        wiring.providers_in(written(tmp_path, [{**BILLER, **changes}]))

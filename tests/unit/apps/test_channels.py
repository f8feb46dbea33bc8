"""channels.json: what cannot be used is refused by entry and field, and no key is ever repeated."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from tests.unit.services.town import an_id

from compuerta.apps import config
from compuerta.apps.channels import Channels, channels_in, opt_out_url_of, receipts_url_of
from compuerta.apps.entries import EntryMalformed
from compuerta.domain.contact import Channel

REMOVED = object()
APPRISE = pytest.mark.slow  # it is large
SECRET = "a-secret-that-nobody-repeats"
MAIL = {
    "name": "mail",
    "kind": "smtp",
    "host": "smtp.example.org",
    "port": 587,
    "security": "starttls",
    "user": "casa",
    "password": "one.key",
    "sender": "Casa <no-reply@example.org>",
}
TEXTS = {
    "name": "texts",
    "kind": "aliyun_sms",
    "key_id": "LTAI",
    "secret": "one.key",
    "sign_name": "小区",
    "templates": {"warning": {"zh-hans": "SMS_1"}},
    "base_url": "https://dysmsapi.aliyuncs.com",
}
SERVICE = {
    "name": "service",
    "kind": "wechat_template",
    "appid": "wx1",
    "secret": "one.key",
    "templates": {},
    "base_url": "https://api.weixin.qq.com",
}
APP = {"name": "app", "kind": "webhook", "url": "https://app.example.org/notices?a=1", "key": "one.key"}
STAFF = {"name": "staff", "kind": "apprise", "targets": {"night-shift": "night.url"}}
ALL = (MAIL, TEXTS, SERVICE, APP, STAFF)


def read(directory: Path, *entries: Mapping[str, object]) -> Channels:
    (directory / "one.key").write_text(f"{SECRET}\n")
    (directory / "night.url").write_text("json://example.org/night")
    (directory / "none.url").write_text("nothing that Apprise knows")
    (directory / "empty.key").write_text("\n")
    path = directory / "channels.json"
    kept = [{name: value for name, value in each.items() if value is not REMOVED} for each in entries]
    path.write_text(json.dumps(kept))

    async def run() -> Channels:
        async with httpx.AsyncClient() as client:
            return channels_in(path, client=client)

    return asyncio.run(run())


@APPRISE
def test_every_kind_of_carrier_is_read_and_known_by_its_channel(tmp_path: Path) -> None:
    channels = read(tmp_path, *ALL)

    assert {each.name: each.channel for each in channels.accounts.values()} == {
        "mail": Channel.EMAIL,
        "texts": Channel.SMS,
        "service": Channel.WECHAT,
        "app": Channel.WEBHOOK,
        "staff": Channel.APPRISE,
    }


def test_without_a_file_there_are_no_carriers(tmp_path: Path) -> None:
    async def run() -> Channels:
        async with httpx.AsyncClient() as client:
            return channels_in(tmp_path / "channels.json", client=client)

    assert asyncio.run(run()).terms_of(1, Channel.SMS) is None


def test_an_organisations_own_account_goes_before_everybodys_and_serves_nobody_else(tmp_path: Path) -> None:
    channels = read(tmp_path, MAIL, {**MAIL, "name": "own", "organisation": 7})

    own, other = (channels.terms_of(number, Channel.EMAIL) for number in (7, 8))

    assert own is not None
    assert other is not None
    assert (own.name, other.name) == ("own", "mail")


@pytest.mark.parametrize(
    ("entry", "changes", "complaint"),
    [
        *((MAIL, {name: REMOVED}, f"{name}: ") for name in MAIL if name not in ("name", "user")),
        *((TEXTS, {name: REMOVED}, f"{name}: ") for name in TEXTS if name not in ("name", "templates")),
        *((SERVICE, {name: REMOVED}, f"{name}: ") for name in ("appid", "secret", "base_url")),
        *((APP, {name: REMOVED}, f"{name}: is missing") for name in ("url", "key")),
        (STAFF, {"targets": REMOVED}, "targets: has to name"),
        pytest.param(
            STAFF, {"targets": {"Night": "night.url"}}, "targets: address: write the name", marks=APPRISE
        ),
        pytest.param(
            STAFF, {"targets": {"night": "none.url"}}, "targets: the file of 'night' holds", marks=APPRISE
        ),
        pytest.param(
            STAFF, {"targets": {"night": "gone.url"}}, r"targets: 'gone\.url' cannot be read", marks=APPRISE
        ),
        (MAIL, {"kind": "pigeon"}, "kind: 'pigeon' is not one of smtp, aliyun_sms"),
        (MAIL, {"port": "587"}, "port: write a whole number from 1 to 65535"),
        (MAIL, {"port": 0}, "port: write a whole number"),
        (MAIL, {"security": "ssl"}, "security: 'ssl' is not one of none, starttls, tls"),
        (MAIL, {"sender": "Casa"}, "sender: write Name"),
        (MAIL, {"sender": "a@example.org\nBcc: b@example.org"}, "sender: "),
        (MAIL, {"password": "empty.key"}, "password: the file is empty"),
        (MAIL, {"organisation": "1"}, "organisation: write a whole number"),
        (TEXTS, {"secret": SECRET}, "secret: .*cannot be read"),
        (TEXTS, {"templates": []}, "templates: has to be such as"),
        (TEXTS, {"templates": {"warning": "SMS_1"}}, "templates: 'warning' has to name a code by language"),
        (APP, {"url": "app.example.org"}, "url: has to begin with https://"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_entry_and_field(
    tmp_path: Path, entry: Mapping[str, object], changes: Mapping[str, object], complaint: str
) -> None:
    with pytest.raises(EntryMalformed, match=rf"entry 1 \({entry['name']}\): {complaint}"):
        read(tmp_path, {**entry, **changes})


@APPRISE
def test_an_account_does_not_show_its_keys_when_it_is_printed(tmp_path: Path) -> None:
    channels = read(tmp_path, *ALL)

    assert SECRET not in repr(channels)
    assert SECRET not in repr(
        [vars(each.carrier) for each in channels.accounts.values() if hasattr(each.carrier, "__dict__")]
    )


def test_the_addresses_of_replies_are_secret_and_each_is_its_own(tmp_path: Path) -> None:
    here = config.settings({"COMPUERTA_DATA": str(tmp_path / "here")})
    there = config.settings({"COMPUERTA_DATA": str(tmp_path / "there")})

    urls = {
        receipts_url_of(here, "texts"),
        receipts_url_of(here, "other"),
        receipts_url_of(there, "texts"),
        opt_out_url_of(here)(an_id("ana")),
        opt_out_url_of(here)(an_id("eva")),
    }

    assert len({url.rpartition("/")[2] for url in urls}) == 5
    assert all(len(url.rpartition("/")[2]) == 32 for url in urls)

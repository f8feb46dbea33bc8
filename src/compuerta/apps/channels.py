"""Channels: which carriers take our words, as `channels.json` in the data directory says.

Each entry is one account at one carrier; one with an `organisation` serves that organisation alone, and goes
before one that serves all:

    {"name": "mail", "kind": "smtp", "host": "smtp.example.org", "port": 587, "security": "starttls",
     "user": "casa", "password": "smtp.key", "sender": "Casa <no-reply@example.org>"}
    {"name": "texts", "kind": "aliyun_sms", "key_id": "LTAI...", "secret": "aliyun.key", "sign_name": "...",
     "templates": {"warning": {"zh-hans": "SMS_1"}}, "base_url": "https://dysmsapi.aliyuncs.com"}
    {"name": "service", "kind": "wechat_template", "appid": "wx...", "secret": "wechat_app.key",
     "templates": {"warning": {"zh-hans": "..."}}, "base_url": "https://api.weixin.qq.com"}
    {"name": "app", "kind": "webhook", "url": "https://app.example.org/notices", "key": "app.key"}
    {"name": "staff", "kind": "apprise", "targets": {"night-shift": "night.url"}, "organisation": 1}

`password`, `secret`, `key` and the targets name files next to it. A key is never logged.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from compuerta.adapters.notify.aliyun_sms import AliyunSettings, AliyunSms
from compuerta.adapters.notify.carrier import Carrier, OverHttp
from compuerta.adapters.notify.smtp import Security, SmtpMail, SmtpSettings
from compuerta.adapters.notify.webhook import Webhook
from compuerta.adapters.notify.wechat_template import WechatTemplate, WechatTemplateSettings
from compuerta.apps.config import Settings
from compuerta.apps.entries import Entry, entries_in
from compuerta.domain.address import require_address
from compuerta.domain.contact import Channel
from compuerta.domain.errors import Refused
from compuerta.services.sending import CarrierTerms

CHANNELS_FILE = "channels.json"
ORGANISATION_MAX = 2**63 - 1
TOKEN_CHARS = 32  # half of a SHA-256 in hexadecimal: nobody guesses 128 bits
_CHANNEL_OF = {
    "smtp": Channel.EMAIL,
    "aliyun_sms": Channel.SMS,
    "wechat_template": Channel.WECHAT,
    "webhook": Channel.WEBHOOK,
    "apprise": Channel.APPRISE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account at one carrier."""

    name: str
    kind: str
    channel: Channel
    organisation_id: int | None  # None: it serves all
    carrier: Carrier


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """All accounts of this installation, by name."""

    accounts: Mapping[str, Account]

    def account_of(self, organisation_id: int, channel: Channel) -> Account | None:
        """Return who carries an organisation's words by a channel: its own account before everybody's."""
        found = [each for each in self.accounts.values() if each.channel is channel]
        own = [each for each in found if each.organisation_id == organisation_id]
        shared = [each for each in found if each.organisation_id is None]
        return next(iter((*own, *shared)), None)

    def terms_of(self, organisation_id: int, channel: Channel) -> CarrierTerms | None:
        """Return what sending has to know of that account."""
        account = self.account_of(organisation_id, channel)
        if account is None:
            return None
        return CarrierTerms(name=account.name, repeat_within=account.carrier.repeat_within)


def channels_in(path: Path, *, client: httpx.AsyncClient) -> Channels:
    """Return the accounts that a file names; without a file there are none.

    Refuses what cannot be used, by entry and field.
    """
    accounts = [_account(entry, client) for entry in entries_in(path)]
    return Channels(accounts={each.name: each for each in accounts})


def token_of(given: Settings, purpose: str, name: str) -> str:
    """Return what an address of ours ends with, so that nobody else can write it."""
    return hmac.new(given.secret("links"), f"{purpose} {name}".encode(), hashlib.sha256).hexdigest()[
        :TOKEN_CHARS
    ]


def opt_out_url_of(given: Settings) -> Callable[[UUID], str]:
    """Return how the address is made by which a contact says that it wants no more."""
    return lambda contact_id: (
        f"{given.public_url}/no-more/{contact_id}/{token_of(given, 'no-more', str(contact_id))}"
    )


def receipts_url_of(given: Settings, name: str) -> str:
    """Return the address at which a carrier's receipts are taken: theirs are not signed, so it is secret."""
    return f"{given.public_url}/receipts/{name}/{token_of(given, 'receipts', name)}"


def _account(entry: Entry, client: httpx.AsyncClient) -> Account:
    makers: dict[str, Callable[[Entry, httpx.AsyncClient], Carrier]] = {
        "smtp": _smtp,
        "aliyun_sms": _aliyun,
        "wechat_template": _wechat,
        "webhook": _webhook,
        "apprise": _apprise,
    }
    if entry.kind not in makers:
        raise entry.malformed("kind", f"{entry.kind!r} is not one of {', '.join(makers)}")
    organisation_id = None
    if "organisation" in entry.fields:
        organisation_id = entry.number("organisation", least=1, most=ORGANISATION_MAX)
    return Account(
        name=entry.name,
        kind=entry.kind,
        channel=_CHANNEL_OF[entry.kind],
        organisation_id=organisation_id,
        carrier=makers[entry.kind](entry, client),
    )


def _smtp(entry: Entry, _: httpx.AsyncClient) -> Carrier:
    securities = {each.value: each for each in Security}
    security = entry.text("security")
    if security not in securities:
        raise entry.malformed("security", f"{security!r} is not one of {', '.join(securities)}")
    sender = entry.text("sender")
    try:
        require_address(Channel.EMAIL, parseaddr(sender)[1])
    except Refused:
        raise entry.malformed("sender", "write Name <address@example.org>") from None
    if not sender.isprintable():
        raise entry.malformed("sender", "write it on one line")
    signs_in = "user" in entry.fields
    return SmtpMail(
        SmtpSettings(
            host=entry.text("host"),
            port=entry.number("port", least=1, most=65_535),
            security=securities[security],
            sender=sender,
            user=entry.text("user") if signs_in else "",
            password=_secret(entry, "password") if signs_in else "",
        )
    )


def _aliyun(entry: Entry, client: httpx.AsyncClient) -> Carrier:
    settings = AliyunSettings(
        key_id=entry.text("key_id"),
        secret=_secret(entry, "secret").encode(),
        sign_name=entry.text("sign_name"),
        templates=_templates(entry),
        base_url=entry.url("base_url"),
    )
    return OverHttp(notifier=AliyunSms(settings), client=client, base_url=settings.base_url)


def _wechat(entry: Entry, client: httpx.AsyncClient) -> Carrier:
    settings = WechatTemplateSettings(
        appid=entry.text("appid"), secret=_secret(entry, "secret"), templates=_templates(entry)
    )
    return OverHttp(notifier=WechatTemplate(settings), client=client, base_url=entry.url("base_url"))


def _webhook(entry: Entry, client: httpx.AsyncClient) -> Carrier:
    parts = urlsplit(entry.url("url"))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    notifier = Webhook(path=path, key=_secret(entry, "key").encode())
    return OverHttp(notifier=notifier, client=client, base_url=f"{parts.scheme}://{parts.netloc}")


def _apprise(entry: Entry, _: httpx.AsyncClient) -> Carrier:
    # Loaded only where it is used: it brings over a hundred services.
    from compuerta.adapters.notify.apprise import AppriseStaff, is_target

    found = entry.fields.get("targets")
    if not isinstance(found, dict) or not found or not all(isinstance(each, str) for each in found.values()):
        raise entry.malformed("targets", "has to name at least one file with an address of Apprise")
    targets = {
        name: entry.file("targets", file).decode(errors="replace").strip() for name, file in found.items()
    }
    for name, url in targets.items():
        try:
            require_address(Channel.APPRISE, name)
        except Refused as refused:
            raise entry.malformed("targets", str(refused)) from refused
        if not is_target(url):
            raise entry.malformed("targets", f"the file of {name!r} holds no address that Apprise knows")
    return AppriseStaff(targets)


def _secret(entry: Entry, field: str) -> str:
    found = entry.file(field, entry.text(field)).decode(errors="replace").strip()
    if not found:
        raise entry.malformed(field, "the file is empty")
    return found


def _templates(entry: Entry) -> Mapping[str, Mapping[str, str]]:
    found = entry.fields.get("templates", {})
    if not isinstance(found, dict):
        raise entry.malformed("templates", 'has to be such as {"warning": {"zh-hans": "SMS_1"}}')
    for name, codes in found.items():
        if not isinstance(codes, dict) or not all(isinstance(code, str) and code for code in codes.values()):
            raise entry.malformed("templates", f"{name!r} has to name a code by language")
    return found

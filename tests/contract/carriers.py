"""Carriers of words on real sockets, and our side of each: mail, texts, WeChat templates, an app, staff."""

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from uuid import UUID

import httpx
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.services.town import NOON, an_id

from compuerta.adapters.notify.aliyun_sms import AliyunSettings, AliyunSms
from compuerta.adapters.notify.apprise import AppriseStaff
from compuerta.adapters.notify.carrier import Carrier, OverHttp
from compuerta.adapters.notify.smtp import Security, SmtpMail, SmtpSettings
from compuerta.adapters.notify.webhook import Webhook
from compuerta.adapters.notify.wechat_template import WechatTemplate, WechatTemplateSettings
from compuerta.services.notifier_port import HttpNotifier, Letter, Sent
from compuerta.virtual.notices.aliyun import AliyunSide
from compuerta.virtual.notices.server import Carriers, app_for
from compuerta.virtual.notices.smtp import MailSide, MailTerms
from compuerta.virtual.notices.webhook import AppSide
from compuerta.virtual.notices.wechat import WechatSide
from compuerta.virtual.notices.world import NoticesWorld

KEY_ID = "LTAI-key-id"
SECRET = "a-secret-that-no-log-shows"
APPID = "wx-our-account"
USER = "casa"
ANSWER_S_MAX = 1.0  # longer than a full machine takes to shake hands
TEMPLATES: Mapping[str, Mapping[str, str]] = {"warning": {"zh-hans": "SMS_1"}}
ADDRESSES = {
    "smtp": "ana@example.org",
    "aliyun": "+8613800138000",
    "wechat": "oAna_0123456789",
    "webhook": "ana",
}


@dataclass(kw_only=True)
class Street:
    """All carriers of one world; `now` goes when a test says so."""

    world: NoticesWorld
    wechat_side: WechatSide
    http_url: str
    smtp_port: int
    client: httpx.AsyncClient
    now: dt.datetime = NOON
    chances: int = 0
    carriers: dict[str, Carrier] = field(default_factory=dict)

    def chance(self, count: int) -> bytes:
        self.chances += 1
        return self.chances.to_bytes(count, "big")

    async def send(self, name: str, letter: Letter) -> Sent:
        carrier = self.carriers[name]
        return await carrier.send(letter, now=self.now, chance=self.chance)

    def over_http(self, notifier: HttpNotifier, path: str) -> OverHttp:
        url = self.http_url + path
        return OverHttp(notifier=notifier, client=self.client, base_url=url, answer_s_max=ANSWER_S_MAX)


def a_letter(name: str, *, number: int = 1, message_id: UUID | None = None) -> Letter:
    return Letter(
        message_id=message_id or an_id(f"letter {number}"),
        address=ADDRESSES[name],
        language="zh-hans",
        template="warning",
        fields={"balance": "19.99", "zero": "周四 21:00"},
        subject="余额不足 — queda poco",
        body="尊敬的住户:余额 19.99 元。\n.\nHasta el jueves.\n",
        opt_out_url="https://casa.example/no-more/1",
    )


@asynccontextmanager
async def a_street(
    *, mail: MailTerms | None = None, receipts_url: str = "", security: Security = Security.NONE
) -> AsyncIterator[Street]:
    """Open all carriers, and our side of each."""
    world = NoticesWorld()
    wechat = WechatSide(world, appid=APPID, secret=SECRET)
    carriers = Carriers(
        world=world,
        aliyun=AliyunSide(world, key_id=KEY_ID, secret=SECRET.encode()),
        wechat=wechat,
        app=AppSide(world, key=SECRET.encode()),
        receipts_url=receipts_url,
    )
    terms = mail or MailTerms(user=USER, password=SECRET)
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        street: Street
        mail_side = MailSide(world, terms, clock=lambda: street.now)
        async with (
            httpx.AsyncClient(trust_env=False) as client,
            mail_side.listening(host="127.0.0.1", port=0) as smtp_port,
        ):
            street = Street(world=world, wechat_side=wechat, http_url=url, smtp_port=smtp_port, client=client)
            street.carriers = our_side(street, security=security)
            app = app_for(carriers, clock=lambda: street.now)
            async with serving(app, door):
                yield street


def our_side(street: Street, *, security: Security) -> dict[str, Carrier]:
    aliyun = AliyunSettings(
        key_id=KEY_ID,
        secret=SECRET.encode(),
        sign_name="小区物业",
        templates=TEMPLATES,
        base_url=f"{street.http_url}/aliyun",
    )
    wechat = WechatTemplateSettings(appid=APPID, secret=SECRET, templates=TEMPLATES)
    mail = SmtpSettings(
        host="127.0.0.1",
        port=street.smtp_port,
        security=security,
        sender="Casa 物业 <no-reply@casa.example>",
        user=USER,
        password=SECRET,
        trust=client_tls(),
        letter_s_max=ANSWER_S_MAX,
    )
    return {
        "smtp": SmtpMail(mail),
        "aliyun": street.over_http(AliyunSms(aliyun), "/aliyun"),
        "wechat": street.over_http(WechatTemplate(wechat), "/wechat"),
        "webhook": street.over_http(Webhook(path="/app", key=SECRET.encode()), ""),
        "apprise": AppriseStaff({"night-shift": f"json{street.http_url[4:]}/chat?{SECRET}=1"}),
    }


@asynccontextmanager
async def serving(app: object, door: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_level="critical", ws="none")  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([door]))
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        await task


def with_other_key(street: Street) -> None:
    """Let our side sign with keys that the carriers do not know."""
    aliyun = AliyunSettings(
        key_id=KEY_ID, secret=b"wrong", sign_name="x", templates=TEMPLATES, base_url=street.http_url
    )
    wechat = WechatTemplateSettings(appid=APPID, secret="wrong", templates=TEMPLATES)
    street.carriers["aliyun"] = street.over_http(AliyunSms(aliyun), "/aliyun")
    street.carriers["wechat"] = street.over_http(WechatTemplate(wechat), "/wechat")
    street.carriers["webhook"] = street.over_http(Webhook(path="/app", key=b"wrong"), "")


def nobody_there(street: Street) -> None:
    """Let our side knock where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    for name in ("aliyun", "wechat", "webhook"):
        carrier = street.carriers[name]
        assert isinstance(carrier, OverHttp)
        street.carriers[name] = replace(carrier, base_url=f"http://127.0.0.1:{port}")
    mail = SmtpSettings(host="127.0.0.1", port=port, security=Security.NONE, sender="no-reply@casa.example")
    street.carriers["smtp"] = SmtpMail(mail)


def server_tls(directory: Path) -> ssl.SSLContext:
    """Return what a mail server shows: a certificate for this machine that the client trusts."""
    key, certificate = _certificate()
    pem = directory / "server.pem"
    pem.write_bytes(key + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def client_tls() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=_certificate()[1].decode())


@cache
def _certificate() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    present = dt.datetime.now(dt.UTC)  # OpenSSL reads the wall clock
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(present - dt.timedelta(days=1))
        .not_valid_after(present + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, certificate.public_bytes(serialization.Encoding.PEM)

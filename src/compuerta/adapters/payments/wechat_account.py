"""One WeChat Pay merchant account: its keys, what it signs, and whose answers it believes.

Nothing is believed without a signature. An error answer may be unsigned and is therefore never evidence:
after one, what it was about is asked for.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.payment import Flow
from compuerta.services.payment_ports import Chance, HttpRequest, HttpResponse
from compuerta.wire.wechat import bodies, resource, signature
from compuerta.wire.wechat.bodies import ProviderRefusal
from compuerta.wire.wechat.keys import KeyRing, RsaSigner, RsaVerifier
from compuerta.wire.wechat.signature import Merchant, Unbelieved

NONCE_BYTES = 16


class OrderRefused(Refused):
    """The provider will not do what was asked, and will not do it later either."""

    def __init__(self, status: int, refusal: ProviderRefusal) -> None:
        super().__init__(f"WeChat Pay refuses with {status} {refusal.code}: {refusal.message}")
        self.status = status
        self.refusal = refusal


class ProviderBusy(Unreachable):
    """The provider is overloaded, limits us, or is broken; ask again later."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"WeChat Pay answers {status} {code}")
        self.status = status
        self.code = code


class AnswerForged(Unreachable):
    """A good answer that the provider did not sign, or that is about another order; not believed."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"an answer is not believed: {reason}")
        self.reason = reason


class AnswerUnusable(Unreachable):
    """A genuine answer that is not what the protocol says."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"an answer cannot be used: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class WechatSettings:
    """One merchant account; whoever holds this can sign for it, so it is never logged or shown."""

    mchid: str
    appid: str
    merchant_key_pem: bytes  # apiclient_key.pem
    merchant_serial: str  # serial number of the merchant's API certificate
    api_key: bytes  # the APIv3 key, 32 bytes
    platform_pems: Mapping[str, bytes]  # PUB_KEY_ID_... -> public key, hex serial -> certificate
    base_url: str
    notify_url: str
    name: str = "wechat"
    flows: frozenset[Flow] = frozenset({Flow.QR})  # what the account has signed up for
    appids: Mapping[Flow, str] = field(default_factory=lambda: MappingProxyType({}))  # where they differ
    site: str = ""  # https://... of our pay page, as registered for browsers outside WeChat
    live: bool = True

    def __repr__(self) -> str:
        return f"WechatSettings(name={self.name!r}, mchid={self.mchid!r})"


class WechatAccount:
    """Signs for one merchant account, and believes its provider's answers."""

    def __init__(self, settings: WechatSettings, *, keys: KeyRing | None = None) -> None:
        """Read the keys once; refuses PEM texts and an APIv3 key that cannot be used.

        `keys` replaces the RSA keys of the settings where virtual time needs something cheaper.
        """
        if len(settings.api_key) != resource.KEY_BYTES:
            raise resource.ApiKeyMalformed(len(settings.api_key))
        self.settings = settings
        self.keys = keys or _rsa_keys(settings)
        self.appids = frozenset({settings.appid, *settings.appids.values()})
        self._merchant = Merchant(mchid=settings.mchid, serial=settings.merchant_serial)
        # Answers follow the key that the request names; public keys do not expire, so they go first.
        serials = sorted(self.keys.verifiers, key=lambda serial: not serial.startswith("PUB_KEY_ID_"))
        self._answer_serial = serials[0] if serials else ""

    def appid_for(self, flow: Flow) -> str:
        """Return the app id that orders of a flow are placed under."""
        return self.settings.appids.get(flow, self.settings.appid)

    def get(self, path: str, *, now: datetime, chance: Chance) -> HttpRequest:
        """Write a signed question."""
        return self._request("GET", path, b"", now=now, chance=chance)

    def post(self, path: str, body: bytes, *, now: datetime, chance: Chance) -> HttpRequest:
        """Write a signed request with a body."""
        return self._request("POST", path, body, now=now, chance=chance)

    def hand_over(self, *lines: str) -> str:
        """Sign the lines with which a payer's app or page starts paying."""
        message = "".join(f"{line}\n" for line in lines).encode()
        return base64.b64encode(self.keys.signer.sign(message)).decode("ascii")

    def good(self, response: HttpResponse) -> HttpResponse:
        """Return a good answer, signed or not; raise for every other."""
        if 200 <= response.status < 300:
            return response
        refusal = bodies.parse_refusal(response.body)
        # Redirects are not followed: the signature is for the host that was asked.
        if response.status == 429 or not 400 <= response.status < 500:
            raise ProviderBusy(response.status, refusal.code)
        raise OrderRefused(response.status, refusal)

    def believed(self, response: HttpResponse, *, now: datetime) -> HttpResponse:
        """Return a good answer that the provider signed; raise for every other."""
        self.good(response)
        self.verify(response, now=now)
        return response

    def verify(self, response: HttpResponse, *, now: datetime) -> None:
        """Refuse an answer, good or bad, that the provider did not sign."""
        try:
            signature.verify(response.headers, response.body, verifiers=self.keys.verifiers, now=now)
        except Unbelieved as unbelieved:
            raise AnswerForged(str(unbelieved)) from unbelieved

    def _request(self, method: str, path: str, body: bytes, *, now: datetime, chance: Chance) -> HttpRequest:
        stamp = signature.stamp(now=now, chance=chance(NONCE_BYTES))
        message = signature.request_message(method=method, path=path, stamp=stamp, body=body)
        headers = {
            "accept": "application/json",
            "user-agent": "compuerta",
            "authorization": signature.authorization(
                self._merchant, stamp=stamp, message=message, signer=self.keys.signer
            ),
            signature.SERIAL: self._answer_serial,
        }
        if body:
            headers["content-type"] = "application/json"
        return HttpRequest(method=method, path=path, headers=headers, body=body)


def _rsa_keys(settings: WechatSettings) -> KeyRing:
    return KeyRing(
        signer=RsaSigner(settings.merchant_key_pem),
        verifiers={serial: RsaVerifier(pem) for serial, pem in settings.platform_pems.items()},
    )

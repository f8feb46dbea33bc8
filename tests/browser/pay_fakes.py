"""Three providers in software that show what each flow shows, for the page that people pay on."""

import json
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from tests.browser.building import Building

from compuerta.adapters.payments.http import Steps, converse_with
from compuerta.adapters.payments.wechat_identity import WechatIdentity
from compuerta.apps.console.work import Outside, Result
from compuerta.domain.payment import Attempt, Flow
from compuerta.services.payment_ports import (
    Capabilities,
    Chance,
    HttpRequest,
    HttpResponse,
    Presentation,
    PresentationKind,
)

OPEN_ID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
AUTHORISE_URL = "https://wallet.example/authorise"
SHOWN = {
    Flow.QR: (PresentationKind.QR, "weixin://wxpay/bizpayurl?pr=fake"),
    Flow.WALLET: (PresentationKind.WALLET, json.dumps({"appId": "wx1", "package": "prepay_id=wx2"})),
    Flow.WEB: (PresentationKind.REDIRECT, "https://wallet.example/pay/h5"),
    Flow.DESKTOP: (PresentationKind.REDIRECT, "https://wallet.example/pay/page"),
    Flow.PROMPT: (PresentationKind.PROMPT, "ws_CO_1"),
}
ACCOUNTS = (
    ("wechat", frozenset({Flow.QR, Flow.WALLET, Flow.WEB})),
    ("alipay", frozenset({Flow.QR, Flow.WEB, Flow.DESKTOP})),
    ("paybill", frozenset({Flow.PROMPT})),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeProvider:
    """An account that takes every order."""

    name: str
    flows: frozenset[Flow]

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            currencies=frozenset({"CNY"}),
            flows=self.flows,
            notices=True,
            query=True,
            close=True,
            immediate=False,
            expiry_min=timedelta(minutes=1),
            expiry_max=timedelta(hours=2),
        )

    def create(
        self, attempt: Attempt, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Presentation]:
        kind, content = SHOWN[attempt.flow]
        yield HttpRequest(method="POST", path="/create")
        return Presentation(kind=kind, content=content)


def outside(database_url: str, building: Building) -> Outside:
    """Give the building's organisation the three accounts, and the console its way to them."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for name, _flows in ACCOUNTS[1:]:
            connection.execute(
                """insert into provider_account (provider, organisation_id, kind, suspense_account_id)
                select %s, organisation_id, %s, suspense_account_id from provider_account
                where provider = 'wechat'""",
                (name, "mpesa" if name == "paybill" else name),
            )

    def answer(request: HttpRequest) -> HttpResponse:
        known = "code=right" in request.path
        told = {"openid": OPEN_ID} if known else {"errcode": 40029, "errmsg": "invalid code"}
        return HttpResponse(status=200, body=json.dumps(told).encode())

    def talk(name: str, steps: Steps[Result]) -> Result:
        return converse_with(steps, answer)

    return Outside(
        providers={name: FakeProvider(name=name, flows=flows) for name, flows in ACCOUNTS},
        talk=talk,
        identities={"wechat": WechatIdentity(appid="wx1", secret="kept", authorise_url=AUTHORISE_URL)},
    )

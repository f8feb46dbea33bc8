"""Where payment providers knock: raw bytes are verified, kept, credited, and only then answered.

A stranger's message causes no outgoing call and no more than one row; floods of strangers are counted
instead of kept.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from itertools import accumulate
from uuid import uuid4

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from compuerta.apps import wiring
from compuerta.apps.desk import Desk, Gathering
from compuerta.domain.errors import Unreachable
from compuerta.domain.payment import Claim, DisputeNotice, PaymentNotice, RefundNotice
from compuerta.services import claiming, disputing, ordering, refunding, vend
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    PayeeQuestion,
    PaymentProvider,
    Refusal,
    Verified,
)
from compuerta.services.records import Alarm, Inbound, Key
from compuerta.services.store_port import Store

log = structlog.get_logger()

PREFIX = "/notices/"
BODY_BYTES_MAX = 64 * 1024  # notices are about 1 KiB
BODY_S_MAX = 5.0  # providers give us no longer to answer, so no honest body takes longer to come
NAME_CHARS_MAX = 64
REJECTED_BYTES_MAX = 4 * 1024  # kept of a rejected message's headers, and of its body: a whole notice's
# Rejected messages kept per window; beyond it they are only counted, so that a flood fills no disk.
REJECTED_KEPT_MAX = 100
REJECTED_WINDOW = timedelta(minutes=1)


class _Flaw(Enum):
    """Why a message was not read to its end."""

    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"


_STATUSES = {_Flaw.TOO_LARGE: 413, _Flaw.TOO_SLOW: 408}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """One message with what it says; `notice` is None where it says nothing about money that came."""

    notice: PaymentNotice | None
    inbound: Inbound
    alarm: Alarm | None = None
    claim: Claim | None = None
    refund: RefundNotice | None = None
    dispute: DisputeNotice | None = None
    expired: Key | None = None  # an order that the provider has ended
    is_kept: bool = True  # as it came; else it is only counted

    @property
    def says_nothing(self) -> bool:
        """Whether it is about no money and no order."""
        return not any((self.notice, self.claim, self.refund, self.dispute, self.expired))


_Told = vend.Outcome | claiming.Heard | refunding.HeardRefund | disputing.HeardDispute | None
# What was booked nowhere is not accepted: the provider goes on saying it until somebody has helped.
_NOWHERE = (
    vend.Outcome.PROVIDER_UNKNOWN,
    claiming.Heard.PROVIDER_UNKNOWN,
    claiming.Heard.TOO_MANY,
    refunding.HeardRefund.PAYMENT_UNKNOWN,
    disputing.HeardDispute.PAYMENT_UNKNOWN,
)


class NoticesFirst:
    """This will give providers' messages to their door before anything else of the application sees them.

    Their bytes are signed, so nothing may touch them; and in a storm they come by the hundred each second,
    which the way through the other layers would slow down.
    """

    def __init__(self, app: ASGIApp, *, door: "NoticeDoor") -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(PREFIX):
            await self._app(scope, receive, send)
        elif scope["method"] != "POST":
            await Response(status_code=405, headers={"allow": "POST"})(scope, receive, send)
        else:
            # What follows the name is the provider's own, such as a secret that stands for a signature.
            name = path.removeprefix(PREFIX).partition("/")[0]
            answer = await self._door.take(Request(scope, receive), name=name)
            await answer(scope, receive, send)


@dataclass(slots=True)
class _Window:
    began: datetime
    heard: int = 0


class NoticeDoor:
    """This will take providers' messages for one process."""

    def __init__(self, desk: Desk, providers: Mapping[str, PaymentProvider]) -> None:
        self._desk = desk
        self._gathering: Gathering[_Heard, _Told] = Gathering(desk, _write)
        self._providers = providers
        self._windows: dict[str, _Window] = {}

    async def take(self, request: Request, *, name: str) -> Response:
        """Answer one message of a provider, or of a stranger; `name` is whom it says that it is for."""
        try:
            body, flaw = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        headers = dict(request.headers)
        inbound = HttpRequest(
            method=request.method,
            path=request.scope["path"],
            headers=headers,
            body=body,
            peer=request.client.host if request.client else "",
        )
        provider = self._providers.get(name)
        if provider is None:
            # Strangers choose this name: all of them share one alarm.
            return await self._refuse(
                _refused("unknown", inbound, verdict="provider_unknown", detail=repr(name[:NAME_CHARS_MAX])),
                HttpResponse(status=404),
            )
        if flaw is not None:
            return await self._refuse(
                _refused(provider.name, inbound, verdict=flaw.value, detail=f"{len(body)} bytes were read"),
                HttpResponse(status=_STATUSES[flaw]),
            )
        verdict = provider.hear(inbound, now=wiring.now())
        if isinstance(verdict, Verified):
            return await self._accept(provider, inbound, verdict)
        heard = _refused(provider.name, inbound, verdict=verdict.refusal.value, detail=verdict.detail)
        if verdict.refusal is Refusal.PROBE:
            # Providers test whether we verify: a probe is refused like any forgery, but nobody is alarmed.
            heard = replace(heard, alarm=None)
        return await self._refuse(heard, verdict.answer)

    async def _accept(self, provider: PaymentProvider, inbound: HttpRequest, verdict: Verified) -> Response:
        kept = _kept(provider.name, inbound, verdict.event)
        heard = _Heard(
            notice=verdict.notice,
            inbound=kept,
            claim=verdict.claim,
            refund=verdict.refund,
            dispute=verdict.dispute,
            expired=(provider.name, verdict.expired) if verdict.expired else None,
        )
        if not provider.capabilities.notices_signed:
            # Whoever has the address can say it: neither their words nor their headers may fill the disk.
            room = not heard.says_nothing and self._has_room(f"{provider.name} unsigned")
            few = replace(kept, headers=_few(kept.headers))
            heard = replace(heard, inbound=few, is_kept=room)
        try:
            if verdict.question is not None:
                return _response(await self._answer(provider.name, verdict.question))
            outcome = await self._gathering.put(heard)
        except Unreachable as error:
            log.warning("door.notice.not_stored", provider=provider.name, error=str(error))
            return _response(provider.answer(accepted=False))
        return _response(provider.answer(accepted=outcome not in _NOWHERE))

    async def _answer(self, provider: str, question: PayeeQuestion) -> HttpResponse:
        """Tell whether there is such a payee; nothing is kept, since no money has moved."""
        is_known = await self._desk.run(partial(claiming.is_payee, provider=provider, payee=question.payee))
        return question.known if is_known else question.unknown

    async def _refuse(self, heard: _Heard, answer: HttpResponse) -> Response:
        if self._has_room(heard.inbound.provider):
            try:
                await self._gathering.put(heard)
            except Unreachable as error:
                log.warning("door.notice.not_stored", provider=heard.inbound.provider, error=str(error))
        return _response(answer)

    def _has_room(self, name: str) -> bool:
        """Tell whether one more is kept; each provider has a window of its own, and strangers share one."""
        now = wiring.now()
        window = self._windows.setdefault(name, _Window(began=now))
        if now - window.began >= REJECTED_WINDOW:
            if window.heard > REJECTED_KEPT_MAX:
                log.warning("door.notice.flood", of=name, not_kept=window.heard - REJECTED_KEPT_MAX)
            window.began, window.heard = now, 0
        window.heard += 1
        return window.heard <= REJECTED_KEPT_MAX


def _write(store: Store, batch: Sequence[_Heard]) -> list[_Told]:
    alarms = [heard.alarm for heard in batch if heard.alarm is not None]
    if alarms:
        with store.transaction() as tx:
            tx.put_alarms(alarms)
    claims = [heard.claim for heard in batch if heard.claim is not None]
    claimed = iter(claiming.hear(store, claims, now=wiring.now()) if claims else ())
    notices = [heard.notice for heard in batch if heard.notice is not None]
    kept = [heard.inbound for heard in batch if heard.is_kept]
    outcomes = iter(vend.accept_payments(store, notices, now=wiring.now(), inbound=kept))
    told: list[_Told] = [
        next(outcomes) if heard.notice else next(claimed) if heard.claim else _gone(store, heard)
        for heard in batch
    ]
    ordering.ask_now(store, [heard.expired for heard in batch if heard.expired], now=wiring.now())
    counted = Counter(
        heard.inbound.verdict if outcome is None else outcome.value
        for heard, outcome in zip(batch, told, strict=True)
    )
    log.info("door.notices.written", **counted)
    return told


def _gone(store: Store, heard: _Heard) -> _Told:
    """Take what a message says of money that went; such are few, and each has its own transaction."""
    if heard.refund is not None:
        (refunded,) = refunding.hear(store, [heard.refund], now=wiring.now())
        return refunded
    if heard.dispute is not None:
        (disputed,) = disputing.hear(store, [heard.dispute], now=wiring.now())
        return disputed
    return None


async def _body(request: Request) -> tuple[bytes, _Flaw | None]:
    """Read the body within its bounds; what was read until a bound comes with the bound's name."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S_MAX):
            async for part in request.stream():
                body += part[: BODY_BYTES_MAX - len(body) + 1]
                if len(body) > BODY_BYTES_MAX:
                    return bytes(body), _Flaw.TOO_LARGE
    except TimeoutError:
        return bytes(body), _Flaw.TOO_SLOW
    return bytes(body), None


def _refused(provider: str, inbound: HttpRequest, *, verdict: str, detail: str) -> _Heard:
    few = replace(inbound, headers=_few(inbound.headers), body=inbound.body[:REJECTED_BYTES_MAX])
    kept = _kept(provider, few, verdict)
    subject = f"{provider}: {verdict}"
    alarm = Alarm(kind="notice_refused", subject=subject, detail=detail, at=kept.heard_at)
    return _Heard(notice=None, inbound=kept, alarm=alarm)


def _few(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the first headers, as far as they are worth keeping of a stranger's message."""
    sizes = accumulate(len(name) + len(value) for name, value in headers.items())
    return {
        name: value
        for (name, value), size in zip(headers.items(), sizes, strict=True)
        if size <= REJECTED_BYTES_MAX
    }


def _kept(provider: str, inbound: HttpRequest, verdict: str) -> Inbound:
    return Inbound(
        inbound_id=uuid4(),
        provider=provider,
        heard_at=wiring.now(),
        headers=inbound.headers,
        body=inbound.body,
        verdict=verdict,
    )


def _response(answer: HttpResponse) -> Response:
    return Response(status_code=answer.status, headers=dict(answer.headers), content=answer.body)

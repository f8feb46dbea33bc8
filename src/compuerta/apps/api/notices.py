"""Where payment providers knock: raw bytes are verified, kept, credited, and only then answered.

A stranger's message causes no outgoing call and no more than one row; floods of strangers are counted
instead of kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from compuerta.apps import wiring
from compuerta.apps.desk import Desk, Gathering
from compuerta.domain.errors import Unreachable
from compuerta.domain.payment import PaymentNotice
from compuerta.services import vend
from compuerta.services.payment_ports import (
    HttpRequest,
    HttpResponse,
    PaymentProvider,
    Refusal,
    Rejected,
    Verified,
)
from compuerta.services.store_port import Alarm, Inbound, Store

log = structlog.get_logger()

BODY_BYTES_MAX = 64 * 1024  # notices are about 1 KiB
# Rejected messages kept per window; beyond it they are only counted, so that a flood fills no disk.
REJECTED_KEPT_MAX = 100
REJECTED_WINDOW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """One message with what it says; `notice` is None where it says nothing about money that came."""

    notice: PaymentNotice | None
    inbound: Inbound
    alarm: Alarm | None = None


class NoticeDoor:
    """This will take providers' messages for one process."""

    def __init__(self, desk: Desk, providers: Mapping[str, PaymentProvider]) -> None:
        self._gathering: Gathering[_Heard, vend.Outcome | None] = Gathering(desk, _write)
        self._providers = providers
        self._window_began = wiring.now()
        self._rejected = 0

    async def take(self, request: Request) -> Response:
        """Answer one message of a provider."""
        provider = self._providers.get(request.path_params["provider"])
        if provider is None:
            return Response(status_code=404)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return Response(status_code=413)
        headers = {name.lower(): value for name, value in request.headers.items()}
        inbound = HttpRequest(method=request.method, path=request.url.path, headers=headers, body=body)
        verdict = provider.hear(inbound, now=wiring.now())
        if isinstance(verdict, Rejected):
            return await self._reject(provider, inbound, verdict)
        return await self._accept(provider, inbound, verdict)

    async def _accept(self, provider: PaymentProvider, inbound: HttpRequest, verdict: Verified) -> Response:
        kept = _kept(provider.name, inbound, verdict.event)
        try:
            outcome = await self._gathering.put(_Heard(notice=verdict.notice, inbound=kept))
        except Unreachable as error:
            log.warning("door.notice.not_stored", provider=provider.name, error=str(error))
            return _response(provider.answer(accepted=False))
        log.info(
            "door.notice.accepted",
            provider=provider.name,
            outcome=outcome.value if outcome is not None else verdict.event,
        )
        return _response(provider.answer(accepted=True))

    async def _reject(self, provider: PaymentProvider, inbound: HttpRequest, verdict: Rejected) -> Response:
        if self._has_room():
            kept = _kept(provider.name, inbound, verdict.refusal.value)
            # Providers test whether we verify: a probe is refused like any forgery, but nobody is alarmed.
            alarm = None
            if verdict.refusal is not Refusal.PROBE:
                subject = f"{provider.name}: {verdict.refusal.value}"
                alarm = Alarm(kind="notice_refused", subject=subject, detail=verdict.detail, at=kept.heard_at)
            try:
                await self._gathering.put(_Heard(notice=None, inbound=kept, alarm=alarm))
            except Unreachable as error:
                log.warning("door.notice.not_stored", provider=provider.name, error=str(error))
        return _response(verdict.answer)

    def _has_room(self) -> bool:
        now = wiring.now()
        if now - self._window_began >= REJECTED_WINDOW:
            if self._rejected > REJECTED_KEPT_MAX:
                log.warning("door.notice.flood", not_kept=self._rejected - REJECTED_KEPT_MAX)
            self._window_began, self._rejected = now, 0
        self._rejected += 1
        return self._rejected <= REJECTED_KEPT_MAX


def _write(store: Store, batch: Sequence[_Heard]) -> list[vend.Outcome | None]:
    alarms = [heard.alarm for heard in batch if heard.alarm is not None]
    if alarms:
        with store.transaction() as tx:
            tx.put_alarms(alarms)
    notices = [heard.notice for heard in batch if heard.notice is not None]
    outcomes = iter(
        vend.accept_payments(store, notices, now=wiring.now(), inbound=[heard.inbound for heard in batch])
    )
    return [None if heard.notice is None else next(outcomes) for heard in batch]


async def _body(request: Request) -> bytes | None:
    """Read the body within its bound; None where it is longer."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_BYTES_MAX:
            return None
        parts.append(part)
    return b"".join(parts)


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

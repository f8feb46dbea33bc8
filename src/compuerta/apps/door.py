"""The door: everything that comes in over HTTP, on one port.

/notices/{provider}   payment providers
/api/v1/...           machines (OpenAPI at /api/openapi.json, to read at /api/docs)
/receipts, /no-more   carriers of our words, and people who want no more of them
/healthz, /metrics    those who watch over us
/                     people: the console, the till, residents' pay pages
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import httpx
import structlog
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.responses import Response

from compuerta import __version__
from compuerta.adapters.payments.http import Steps, converse
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.api import (
    alarms,
    billers,
    books,
    buying,
    contacts,
    edge,
    histories,
    machines,
    manual,
    moves,
    operations,
    road_ends,
    supply,
    words,
)
from compuerta.apps.api.notices import NoticeDoor, NoticesFirst
from compuerta.apps.beats import beat_on
from compuerta.apps.channels import CHANNELS_FILE, channels_in
from compuerta.apps.config import Settings
from compuerta.apps.desk import Desk
from compuerta.apps.identities import identities_in
from compuerta.apps.replies import add_replies
from compuerta.apps.selling import Result, Talk
from compuerta.services.payment_ports import PaymentProvider

log = structlog.get_logger()

PROVIDER_S_MAX = 5.0

_FIGURES = """
select
    (select count(*) from instruction where ended_at is null) as instructions_open,
    (select count(*) from case_file where closed_at is null) as cases_open,
    (select count(*) from endpoint_state where alive) as roads_alive,
    (select coalesce(extract(epoch from now() - min(created_at)), 0)::bigint
        from instruction where ended_at is null) as oldest_instruction_s
"""


def app_for(given: Settings) -> FastAPI:
    """Return the application of one door process: machines, providers, watchers, and the console."""
    client = httpx.AsyncClient()

    async def talk(name: str, steps: Steps[Result], /) -> Result:
        return await converse(steps, client=client, base_url=wiring.base_url(name), timeout_s=PROVIDER_S_MAX)

    desk = Desk(wiring.database_url(given))
    app = machines_door(desk, wiring.providers(), talk=talk, hang_up=client.aclose)
    add_replies(app, desk, channels_in(given.data_dir / CHANNELS_FILE, client=client), given)
    _add_console(app, given)
    return app


# What machines may ask, by subject.
_ROOMS = (
    machines, buying, billers, supply, operations, alarms, moves, contacts, words, histories, books,
    road_ends,
)  # fmt: skip


def machines_door(
    desk: Desk,
    providers: Mapping[str, PaymentProvider],
    *,
    talk: Talk,
    hang_up: Callable[[], Awaitable[None]],
) -> FastAPI:
    """Return the door without the console; at its end it shuts the desk and hangs up."""
    notices = NoticeDoor(desk, providers)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        beats = asyncio.create_task(beat_on(desk, "door"))
        beats.add_done_callback(_end_if_failed)
        yield
        beats.cancel()
        await hang_up()
        await desk.shut()

    app = FastAPI(
        title="Compuerta",
        version=__version__,
        description="Prepaid electricity: meters, accounts and recharges.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its scripts come from elsewhere; ours needs none
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.desk = desk  # where `callers.needs` looks keys up
    with_desk = machines.Machines(desk=desk, providers=providers, talk=talk)
    for room in _ROOMS:
        app.include_router(room.router_for(with_desk))
    app.add_middleware(edge.BoundedBodies, path="/api/")
    app.add_middleware(NoticesFirst, door=notices)
    edge.add_refusals(app)
    manual.add_manual(app)
    _add_watching(app, desk)
    return app


def _add_watching(app: FastAPI, desk: Desk) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        await desk.run(_figures)
        return PlainTextResponse("ok\n")

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        figures = await desk.run(_figures)
        registry = CollectorRegistry()
        for name, value in figures.items():
            Gauge(f"compuerta_{name}", name.replace("_", " "), registry=registry).set(value)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _add_console(app: FastAPI, given: Settings) -> None:
    os.environ.setdefault("COMPUERTA_SECRET_KEY", given.secret("console").hex())
    from compuerta.apps.console import work  # Django reads its settings when it is imported
    from compuerta.apps.console.asgi import application_for

    providers = wiring.providers()
    residents = {name: each for name, each in providers.items() if not each.capabilities.immediate}
    urls = {name: wiring.base_url(name) for name in providers}
    known = identities_in(given.data_dir / wiring.PROVIDERS_FILE)
    outside = work.Outside(providers=residents, talk=work.over_http(urls), identities=known)
    app.mount("/", application_for(outside))


def _end_if_failed(beats: asyncio.Task[None]) -> None:
    """End the process in order: a door that nobody sees alive is to be started again."""
    if not beats.cancelled():
        log.error("door.beat.failed", error=repr(beats.exception()))
        signal.raise_signal(signal.SIGTERM)


def _figures(store: PostgresStore) -> dict[str, int]:
    (row,) = store.query(_FIGURES, {})
    return row

"""Replies: where carriers post their receipts, and where people say that they want no more.

/receipts/{name}/{token}         receipts and replies of texts; not signed by those who post them, so the
                                 address itself is the secret
/no-more/{contact}/{token}       a page that asks, and does it when its button is pressed: mail programs open
                                 links by themselves (RFC 8058 3.1)
"""

import hmac
from functools import partial
from html import escape
from uuid import UUID, uuid4

import structlog
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from compuerta.adapters.notify import aliyun_sms
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.api import edge
from compuerta.apps.channels import Channels, token_of
from compuerta.apps.config import Settings
from compuerta.apps.desk import Desk
from compuerta.domain.contact import Language
from compuerta.services import receiving
from compuerta.services.acting import Actor

log = structlog.get_logger()

RECEIPTS_BYTES_MAX = 256 * 1024  # a hundred receipts of a quarter KiB, and some to spare
# Question, button, and what is said when it is done.
_WORDS = {
    Language.ENGLISH: ("Shall we stop sending messages here?", "Stop", "You get no more messages here."),
    Language.SPANISH: ("¿Dejamos de enviar mensajes aquí?", "Dejar", "Ya no recibirá mensajes aquí."),
    Language.CHINESE: ("不再向此处发送消息?", "退订", "此处不会再收到消息。"),
}
_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>{title}</title>
<style>body{{font:1.1rem/1.5 system-ui;max-width:22rem;margin:15vh auto;padding:0 1rem}}
button{{font:inherit;padding:.6rem 1.2rem}}</style></head>
<body><p>{title}</p>{form}</body></html>
"""


def add_replies(app: FastAPI, desk: Desk, channels: Channels, given: Settings) -> None:
    """Add the routes for what comes back after letters."""
    app.add_middleware(edge.BoundedBodies, path="/receipts/", bytes_max=RECEIPTS_BYTES_MAX)
    app.add_middleware(edge.BoundedBodies, path="/no-more/")

    @app.post("/receipts/{name}/{token}", include_in_schema=False)
    async def receipts(name: str, token: str, request: Request) -> Response:
        account = channels.accounts.get(name)
        if account is None or not _is_ours(given, "receipts", name, token):
            return Response(status_code=404)
        return await _receipts(desk, await request.body(), organisation_id=account.organisation_id)

    @app.get("/no-more/{contact_id}/{token}", include_in_schema=False)
    async def ask(contact_id: UUID, token: str) -> Response:
        language = await _asker(desk, given, contact_id, token)
        if language is None:
            return Response(status_code=404)
        question, button, _ = _WORDS[language]
        return _page(language, question, f'<form method="post"><button>{escape(button)}</button></form>')

    @app.post("/no-more/{contact_id}/{token}", include_in_schema=False)
    async def stop(contact_id: UUID, token: str, request: Request) -> Response:
        language = await _asker(desk, given, contact_id, token)
        if language is None:
            return Response(status_code=404)
        origin = f"link {request.client.host}" if request.client is not None else "link"
        actor = Actor(who="the contact", why="asked for no more messages", origin=origin)
        act = partial(receiving.opt_out, contact_id=contact_id, actor=actor, act_id=uuid4())
        await desk.run(partial(act, now=wiring.now()))
        return _page(language, _WORDS[language][2], "")


async def _receipts(desk: Desk, body: bytes, *, organisation_id: int | None) -> Response:
    now = wiring.now()
    told = aliyun_sms.receipts_in(body, now=now)
    known = await desk.run(partial(receiving.receipts, batch=told, now=now)) if told else []
    said = aliyun_sms.replies_in(body, organisation_id=organisation_id)
    if said:
        actor = Actor(who="the contact", why="wrote so", origin="sms")
        await desk.run(partial(receiving.replies, batch=said, actor=actor, act_id=uuid4(), now=now))
    log.info("door.receipts.written", receipts=len(told), known=sum(known), replies=len(said))
    if all(known):
        return JSONResponse({"code": 0, "msg": "OK"})
    # One that was faster than our own row of its letter is posted again, and is known by then.
    return JSONResponse({"code": 1, "msg": "not known yet"}, status_code=503)


async def _asker(desk: Desk, given: Settings, contact_id: UUID, token: str) -> Language | None:
    """Return the language of a contact whose link this is; None where it is nobody's."""
    if not _is_ours(given, "no-more", str(contact_id), token):
        return None
    return await desk.run(partial(_language, contact_id=contact_id))


def _language(store: PostgresStore, *, contact_id: UUID) -> Language | None:
    with store.transaction() as tx:
        contact = tx.messages.contacts([contact_id]).get(contact_id)
    return None if contact is None else contact.language


def _is_ours(given: Settings, purpose: str, name: str, token: str) -> bool:
    return hmac.compare_digest(token_of(given, purpose, name).encode(), token.encode())


def _page(language: Language, title: str, form: str) -> Response:
    page = _PAGE.format(language=language.value, title=escape(title), form=form)
    return HTMLResponse(page, headers={"cache-control": "no-store", "referrer-policy": "no-referrer"})

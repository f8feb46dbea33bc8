"""Answering once: the same key and the same request get the same answer, byte for byte (RFC 9110 9.2.2).

A caller that got no answer asks again with its key and never does a thing twice. What nobody knows yet is
answered 202, and what is away 503: both are no answer, and the next request with the key does the work again.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Final

from fastapi import Header, HTTPException, Request, status
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.responses import Response

from compuerta.apps import wiring
from compuerta.apps.api.callers import Caller
from compuerta.apps.api.machines import Machines
from compuerta.domain.errors import Refused
from compuerta.services import partnering
from compuerta.services.partner_port import Answer, KeyName

# Whoever asks twice at once is as a rule answered within a second; beyond that they ask again themselves.
WAIT_S_MAX = 2.0
WAIT_S: Final = 0.1
KEY_CHARS_MAX: Final = 128

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=KEY_CHARS_MAX,
        pattern="^[0-9A-Za-z._:-]+$",
        description="made by you, one for each thing that you want; kept for 24 hours",
    ),
]
Work = Callable[[], Awaitable[tuple[int, BaseModel]]]


def name_of(asker: Caller, key: str) -> KeyName:
    """Return what tells a caller's key from all others; a key that is made anew under a name goes on."""
    return KeyName(organisation_id=asker.organisation_id, caller=asker.name, key=key)


async def once(machines: Machines, name: KeyName, request: Request, work: Work) -> Response:
    """Do some work under a key, or answer what was answered before.

    Refusals are answers too, and kept; `Unreachable` is none, and leaves through here.
    """
    mark = _mark(request, await request.body())
    known = await _taken(machines, name, mark)
    if known is not None:
        return _response(known)
    given: Answer | None = None
    try:
        given = await _answered(work)
        response = _response(given)
        if given.status == status.HTTP_202_ACCEPTED:
            given = None
        return response
    finally:
        keep = partial(partnering.answer, name=name, given=given, now=wiring.now())
        await machines.desk.run(keep)


async def _taken(machines: Machines, name: KeyName, mark: str) -> Answer | None:
    until_s = asyncio.get_running_loop().time() + WAIT_S_MAX
    while True:
        try:
            return await machines.desk.run(
                lambda store: partnering.begin(store, name, mark=mark, now=wiring.now())
            )
        except partnering.KeyBusy as busy:
            if asyncio.get_running_loop().time() >= until_s:
                raise HTTPException(
                    status.HTTP_409_CONFLICT, str(busy), headers={"Retry-After": "1"}
                ) from busy
            await asyncio.sleep(WAIT_S)


async def _answered(work: Work) -> Answer:
    try:
        code, told = await work()
    except Refused as refused:
        return _refusal(status.HTTP_422_UNPROCESSABLE_CONTENT, str(refused))
    except HTTPException as error:
        return _refusal(error.status_code, str(error.detail))
    return Answer(status=code, body=told.model_dump_json())


def _refusal(code: int, detail: str) -> Answer:
    return Answer(status=code, body=bytes(JSONResponse({"detail": detail}).body).decode())


def _mark(request: Request, body: bytes) -> str:
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return hashlib.sha256(asked + body).hexdigest()


def _response(answer: Answer) -> Response:
    return Response(answer.body, status_code=answer.status, media_type="application/json")

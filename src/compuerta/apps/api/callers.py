"""Who calls: machines with API keys, and what each key may do.

Every route asks for a right: `Annotated[Caller, Depends(needs(Right.SELL))]`. A key without any scope reads.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Security, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.adapters.postgres.walls import around
from compuerta.apps import walls, wiring
from compuerta.apps.api import reading
from compuerta.apps.desk import Desk
from compuerta.domain.access import Place, Right, covers
from compuerta.services.acting import Actor, name_of_key

# When a key was last used is kept this exactly: a write per request would cost more than it tells.
USED_KEPT = timedelta(minutes=5)
_BEARER = HTTPBearer(description="an API key made by `compuerta key`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: an organisation's machine with what it may do, and where."""

    organisation_id: int
    name: str
    rights: frozenset[Right]
    scope: Place

    def may(self, right: Right, place: Place | None = None) -> bool:
        """Tell whether the key has a right in a place; None = anywhere at all."""
        return right in self.rights and (place is None or covers(self.scope, place))


def needs(right: Right) -> Callable[..., Awaitable[Caller]]:
    """Return the dependency that lets keys with a right in: 401 without a key, 403 without the right."""

    async def allowed(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if not caller.may(right):
            raise HTTPException(status.HTTP_403_FORBIDDEN, f"this API key may not {right.value}")
        return caller

    return allowed


def acting(caller: Caller, request: Request, *, why: str) -> Actor:
    """Name the machine that acts, why, and from where, for the audit row."""
    origin = f"api {request.client.host}" if request.client is not None else "api"
    return Actor(who=name_of_key(caller.name), why=why, origin=origin)


def key_hash(key: str) -> bytes:
    """Return what is kept of an API key; keys are random, so a plain hash cannot be guessed back."""
    return hashlib.sha256(key.encode()).digest()


async def _caller(
    request: Request, sent: Annotated[HTTPAuthorizationCredentials, Security(_BEARER)]
) -> Caller:
    desk: Desk = request.app.state.desk
    found = await desk.run(partial(_known, hashed=key_hash(sent.credentials), now=wiring.now()))
    if not found:
        raise HTTPException(
            status.HTTP_401_UNAUTHORIZED,
            "this API key is not known, or was revoked",
            headers={"WWW-Authenticate": "Bearer"},
        )
    (key,) = found
    scope = Place(organisation_id=key["organisation_id"], site_id=key["site_id"])
    walls.put_up(around(key["organisation_id"], [scope]))
    return Caller(
        organisation_id=key["organisation_id"],
        name=key["name"],
        rights=frozenset({Right.SEE} | {each for each in Right if each.value in key["scopes"]}),
        scope=scope,
    )


def _known(store: PostgresStore, *, hashed: bytes, now: datetime) -> list[reading.Row]:
    values = {"hash": hashed, "now": now}
    found = store.query(reading.KEY, values)
    for key in found:
        if key["used_at"] is None or key["used_at"] < now - USED_KEPT:
            with store.transaction() as tx:
                tx.run(reading.KEY_USED, values)
    return found

"""API keys: made once, shown once, kept as a hash."""

import secrets
from collections.abc import Sequence

import psycopg

from compuerta.apps import wiring
from compuerta.apps.api.machines import key_hash

KEY_BYTES = 32


def make_key(url: str, *, name: str, organisation_id: int, scopes: Sequence[str]) -> str:
    """Make a key for an organisation's machine and return it; it cannot be read again."""
    key = f"cpt_{secrets.token_urlsafe(KEY_BYTES)}"
    with psycopg.connect(url) as connection:
        connection.execute(
            """insert into api_key (key_hash, organisation_id, name, scopes, created_at)
            values (%s, %s, %s, %s, %s)""",
            (key_hash(key), organisation_id, name, list(scopes), wiring.now()),
        )
    return key

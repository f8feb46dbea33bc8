"""API keys: made once, shown once, kept as a hash."""

import secrets
from collections.abc import Sequence

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.api.callers import key_hash
from compuerta.domain.errors import Refused

KEY_BYTES = 32
# As the database's owner: the role that works for machines and meters makes no keys.
_AS_OWNER = "-c timezone=UTC"


class OrganisationUnknown(Refused):
    """There is no organisation of this number."""

    def __init__(self, organisation_id: int) -> None:
        super().__init__(f"there is no organisation {organisation_id}")
        self.organisation_id = organisation_id


def make_key(url: str, *, name: str, organisation_id: int, scopes: Sequence[str]) -> str:
    """Make a key for an organisation's machine and return it; it cannot be read again."""
    key = f"cpt_{secrets.token_urlsafe(KEY_BYTES)}"
    store = PostgresStore(url, options=_AS_OWNER)
    try:
        made = store.query(
            """insert into api_key (key_hash, organisation_id, name, scopes, created_at)
            select %(hash)s, organisation_id, %(name)s, %(scopes)s, %(now)s
            from organisation where organisation_id = %(organisation_id)s returning name""",
            {
                "hash": key_hash(key),
                "organisation_id": organisation_id,
                "name": name,
                "scopes": list(scopes),
                "now": wiring.now(),
            },
        )
    finally:
        store.shut()
    if not made:
        raise OrganisationUnknown(organisation_id)
    return key

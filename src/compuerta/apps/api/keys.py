"""API keys: made once, shown once, kept as a hash."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.api.callers import key_hash
from compuerta.domain.errors import Refused

KEY_BYTES = 32
# As the database's owner: the role that works for machines and meters makes no keys.
_AS_OWNER = "-c timezone=UTC"


class OrganisationUnknown(Refused):
    """There is no organisation of this number, or no such site of it."""

    def __init__(self, organisation_id: int, site_id: int | None) -> None:
        site = "" if site_id is None else f" with a site {site_id}"
        super().__init__(f"there is no organisation {organisation_id}{site}")
        self.organisation_id = organisation_id


def fresh_key() -> str:
    """Return a key that nobody has guessed yet."""
    return f"cpt_{secrets.token_urlsafe(KEY_BYTES)}"


def make_key(
    url: str,
    *,
    name: str,
    organisation_id: int,
    scopes: Sequence[str],
    site_id: int | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Make a key for an organisation's machine and return it; it cannot be read again."""
    key = fresh_key()
    store = PostgresStore(url, options=_AS_OWNER)
    try:
        made = store.query(
            """insert into api_key
                (key_hash, organisation_id, site_id, name, scopes, created_at, expires_at, made_by)
            select %(hash)s, organisation_id, %(site_id)s, %(name)s, %(scopes)s, %(now)s, %(expires_at)s,
                'the installation'
            from organisation where organisation_id = %(organisation_id)s and (%(site_id)s::bigint is null
                or exists (select from site s where s.site_id = %(site_id)s
                    and s.organisation_id = %(organisation_id)s))
            returning name""",
            {
                "hash": key_hash(key),
                "organisation_id": organisation_id,
                "name": name,
                "scopes": list(scopes),
                "site_id": site_id,
                "expires_at": expires_at,
                "now": wiring.now(),
            },
        )
    finally:
        store.shut()
    if not made:
        raise OrganisationUnknown(organisation_id, site_id)
    return key

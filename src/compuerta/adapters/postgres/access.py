"""Roles, grants and API keys, in PostgreSQL."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from compuerta.adapters.postgres.rows import Asked
from compuerta.domain.access import Grant, Place, Right
from compuerta.services.access_port import ApiKey


class PostgresAccess:
    """See `access_port.Access`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def own_roles(self, organisation_id: int) -> Mapping[str, frozenset[Right]]:
        found = self._tx.query(
            "select role, rights from role where organisation_id = %(id)s", {"id": organisation_id}
        )
        return {row["role"]: rights_of(row["rights"]) for row in found}

    def put_role(self, organisation_id: int, role: str, rights: frozenset[Right]) -> None:
        self._tx.run(
            """insert into role (organisation_id, role, rights) values (%(id)s, %(role)s, %(rights)s)
            on conflict (organisation_id, role) do update set rights = excluded.rights""",
            {"id": organisation_id, "role": role, "rights": _values(rights)},
        )

    def grants(self, organisation_id: int) -> list[Grant]:
        values = {"id": organisation_id}
        self._tx.query("select from organisation where organisation_id = %(id)s for no key update", values)
        found = self._tx.query(
            """select * from role_grant where organisation_id = %(id)s and revoked_at is null
            order by granted_at, grant_id""",
            values,
        )
        return [_grant(row) for row in found]

    def put_grant(self, grant: Grant) -> None:
        place = grant.place
        self._tx.insert(
            "role_grant",
            [
                {
                    "grant_id": grant.grant_id,
                    "organisation_id": place.organisation_id,
                    "user_name": grant.user_name,
                    "role": grant.role,
                    "site_id": place.site_id,
                    "building": place.building,
                    "granted_by": grant.granted_by,
                    "granted_at": grant.granted_at,
                }
            ],
        )

    def end_grant(self, grant_id: UUID, *, revoked_by: str, at: datetime) -> None:
        self._tx.run(
            """update role_grant set revoked_by = %(who)s, revoked_at = %(at)s
            where grant_id = %(id)s and revoked_at is null""",
            {"id": grant_id, "who": revoked_by, "at": at},
        )

    def buildings(self, organisation_id: int) -> Mapping[int, frozenset[str]]:
        found = self._tx.query(
            """select site_id, array_agg(distinct p.building) filter (where p.building <> '') as buildings
            from site left join supply_point p using (site_id)
            where organisation_id = %(id)s group by site_id""",
            {"id": organisation_id},
        )
        return {row["site_id"]: frozenset(row["buildings"] or ()) for row in found}

    def put_key(self, key: ApiKey) -> None:
        self._tx.run(
            """insert into api_key
                (key_hash, key_id, organisation_id, site_id, name, scopes, made_by, created_at, expires_at)
            values (%(hash)s, %(id)s, %(organisation)s, %(site)s, %(name)s, %(scopes)s, %(made_by)s, %(at)s,
                %(expires_at)s)""",
            {
                "hash": key.key_hash,
                "id": key.key_id,
                "organisation": key.place.organisation_id,
                "site": key.place.site_id,
                "name": key.name,
                "scopes": _values(key.rights),
                "made_by": key.made_by,
                "at": key.created_at,
                "expires_at": key.expires_at,
            },
        )

    def key(self, key_id: UUID) -> ApiKey | None:
        found = self._tx.query(
            "select * from api_key where key_id = %(id)s and revoked_at is null", {"id": key_id}
        )
        return _key(found[0]) if found else None

    def keys(self, organisation_id: int) -> list[ApiKey]:
        found = self._tx.query(
            """select * from api_key where organisation_id = %(id)s and revoked_at is null
            order by created_at, key_id""",
            {"id": organisation_id},
        )
        return [_key(row) for row in found]

    def end_key(self, key_id: UUID, *, revoked_by: str, at: datetime) -> None:
        self._tx.run(
            """update api_key set revoked_by = %(who)s, revoked_at = %(at)s
            where key_id = %(id)s and revoked_at is null""",
            {"id": key_id, "who": revoked_by, "at": at},
        )

    def keys_made_by(self, who: str, *, organisation_id: int) -> frozenset[str]:
        found = self._tx.query(
            "select name from api_key where organisation_id = %(id)s and made_by = %(who)s",
            {"id": organisation_id, "who": who},
        )
        return frozenset(row["name"] for row in found)


def rights_of(values: Iterable[str]) -> frozenset[Right]:
    """Return the rights of these names; a name that this release does not know gives nothing."""
    known = set(values)
    return frozenset(right for right in Right if right.value in known)


def _values(rights: frozenset[Right]) -> list[str]:
    return sorted(right.value for right in rights)


def _grant(row: Mapping[str, Any]) -> Grant:
    return Grant(
        grant_id=row["grant_id"],
        user_name=row["user_name"],
        role=row["role"],
        place=Place(organisation_id=row["organisation_id"], site_id=row["site_id"], building=row["building"]),
        granted_by=row["granted_by"],
        granted_at=row["granted_at"],
    )


def _key(row: Mapping[str, Any]) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        key_hash=row["key_hash"],
        name=row["name"],
        rights=rights_of(row["scopes"]),
        place=Place(organisation_id=row["organisation_id"], site_id=row["site_id"]),
        made_by=row["made_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )

"""Roles, grants and API keys, in memory."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.adapters.memory.tables import Tables, require
from compuerta.domain.access import Grant, Right
from compuerta.services.access_port import ApiKey


class MemoryAccess:
    """See `access_port.Access`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def own_roles(self, organisation_id: int) -> Mapping[str, frozenset[Right]]:
        return {
            role: rights for (owner, role), rights in self._tables.roles.items() if owner == organisation_id
        }

    def put_role(self, organisation_id: int, role: str, rights: frozenset[Right]) -> None:
        self._tables.roles[organisation_id, role] = rights

    def grants(self, organisation_id: int) -> list[Grant]:
        held = [
            grant
            for grant in self._tables.role_grants.values()
            if grant.place.organisation_id == organisation_id and grant.revoked_at is None
        ]
        return sorted(held, key=lambda grant: (grant.granted_at, grant.grant_id.int))

    def put_grant(self, grant: Grant) -> None:
        require(grant.granted_by != grant.user_name, "role_grant_by_another")
        self._tables.take("role_grant_pkey", grant.grant_id)
        self._tables.role_grants[grant.grant_id] = grant

    def end_grant(self, grant_id: UUID, *, revoked_by: str, at: datetime) -> None:
        grant = self._tables.role_grants.get(grant_id)
        if grant is not None and grant.revoked_at is None:
            self._tables.role_grants[grant_id] = replace(grant, revoked_at=at)

    def buildings(self, organisation_id: int) -> Mapping[int, frozenset[str]]:
        return {
            site.site_id: frozenset(
                building
                for site_id, building, _ in self._tables.supply_points
                if site_id == site.site_id and building
            )
            for site in self._tables.sites.values()
            if site.organisation_id == organisation_id
        }

    def put_key(self, key: ApiKey) -> None:
        self._tables.take("api_key_pkey", key.key_hash)
        self._tables.take("api_key_id", key.key_id)
        self._tables.api_keys[key.key_id] = key

    def key(self, key_id: UUID) -> ApiKey | None:
        return None if key_id in self._tables.api_keys_revoked else self._tables.api_keys.get(key_id)

    def keys(self, organisation_id: int) -> list[ApiKey]:
        held = [
            key
            for key_id, key in self._tables.api_keys.items()
            if key.place.organisation_id == organisation_id and key_id not in self._tables.api_keys_revoked
        ]
        return sorted(held, key=lambda key: (key.created_at, key.key_id.int))

    def end_key(self, key_id: UUID, *, revoked_by: str, at: datetime) -> None:
        if self.key(key_id) is not None:
            self._tables.api_keys_revoked[key_id] = at

    def keys_made_by(self, who: str, *, organisation_id: int) -> frozenset[str]:
        return frozenset(
            key.name
            for key in self._tables.api_keys.values()
            if key.made_by == who and key.place.organisation_id == organisation_id
        )

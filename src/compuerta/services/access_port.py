"""The port to roles, grants and API keys: rows as they are, inside a transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from compuerta.domain.access import Grant, Place, Right


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What a machine signs in with; only the hash is kept."""

    key_id: UUID
    key_hash: bytes
    name: str
    rights: frozenset[Right]
    place: Place
    made_by: str
    created_at: datetime
    expires_at: datetime | None = None


class Access(Protocol):
    """What a use case may ask about roles, grants and keys."""

    def own_roles(self, organisation_id: int) -> Mapping[str, frozenset[Right]]:
        """Return the roles that an organisation has defined itself."""
        ...

    def put_role(self, organisation_id: int, role: str, rights: frozenset[Right]) -> None:
        """Write an organisation's own role, or write it anew."""
        ...

    def grants(self, organisation_id: int) -> list[Grant]:
        """Return what is granted now, oldest first, locked until the transaction ends."""
        ...

    def put_grant(self, grant: Grant) -> None: ...
    def end_grant(self, grant_id: UUID, *, revoked_by: str, at: datetime) -> None: ...
    def buildings(self, organisation_id: int) -> Mapping[int, frozenset[str]]:
        """Return the buildings of each of an organisation's sites."""
        ...

    def put_key(self, key: ApiKey) -> None: ...
    def key(self, key_id: UUID) -> ApiKey | None:
        """Return a key that was not revoked."""
        ...

    def keys(self, organisation_id: int) -> list[ApiKey]:
        """Return the keys that were not revoked, oldest first."""
        ...

    def end_key(self, key_id: UUID, *, revoked_by: str, at: datetime) -> None: ...
    def keys_made_by(self, who: str, *, organisation_id: int) -> frozenset[str]:
        """Return the names of all keys that somebody has made, those that were revoked among them."""
        ...

"""Granting: who may do what, where, and for how long; nobody gives what they do not have.

Whoever grants needs the right to grant in the very place, and every right of the role there. People are not
known here: who a name is, is known where people sign in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from compuerta.domain.access import USUAL, Grant, Place, Right, rights_in
from compuerta.domain.errors import Refused
from compuerta.domain.naming import derived
from compuerta.services.access_port import ApiKey
from compuerta.services.acting import Act, Actor, entry_about, require_reason
from compuerta.services.store_port import Store, Transaction

ROLE_CHARS_MAX = 60
# A machine is nobody's second person: it approves nothing, and gives nothing away.
NEVER_FOR_KEYS = frozenset({Right.GRANT, Right.APPROVE_TARIFF, Right.APPROVE_MASS})


class RoleUnknown(Refused):
    """There is no role of this name in the organisation."""

    def __init__(self, role: str) -> None:
        super().__init__(f"role: there is none called {role!r}; choose another, or define it first")
        self.role = role


class ScopeForeign(Refused):
    """The place is none of the organisation's, or none where the granter grants."""

    def __init__(self, place: Place) -> None:
        where = ", ".join(
            f"{word} {value}"
            for word, value in (("site", place.site_id), ("building", place.building))
            if value is not None
        )
        super().__init__(f"scope: {where or 'the whole organisation'} is not yours to grant in")
        self.place = place


class GrantOwn(Refused):
    """Somebody would raise themselves."""

    def __init__(self, who: str) -> None:
        super().__init__(f"person: {who} cannot grant to themselves; ask another owner")
        self.who = who


class RightBeyondOwn(Refused):
    """The granter does not have all these rights in that place."""

    def __init__(self, rights: Iterable[Right]) -> None:
        self.rights = tuple(sorted(right.value for right in rights))
        super().__init__(f"role: you do not have {', '.join(self.rights)} there yourself")


class LastOwner(Refused):
    """Nobody would be left who grants in the whole organisation."""

    def __init__(self) -> None:
        super().__init__("grant: this is the last who may grant everywhere; make another owner first")


class GrantUnknown(Refused):
    """There is no such grant or key, or it was revoked."""

    def __init__(self, row_id: UUID) -> None:
        super().__init__(f"grant: {row_id} is not there, or was revoked already")
        self.row_id = row_id


class RoleMalformed(Refused):
    """A role needs a name of some characters, and a right."""

    def __init__(self, role: str) -> None:
        super().__init__(f"role: {role[:ROLE_CHARS_MAX]!r} needs a name of 1 to {ROLE_CHARS_MAX} characters")
        self.role = role


class RightNotForKeys(Refused):
    """A machine would approve, or grant."""

    def __init__(self, rights: Iterable[Right]) -> None:
        self.rights = tuple(sorted(right.value for right in rights))
        super().__init__(f"rights: only a person may {', '.join(self.rights)}")


class KeyOver(Refused):
    """A key would have expired before it is made."""

    def __init__(self) -> None:
        super().__init__("expires: the instant has passed; choose a later one")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Granter:
    """What somebody who grants may do, and what roles there are."""

    organisation_id: int
    who: str
    grants: tuple[Grant, ...]  # everybody's
    roles: Mapping[str, frozenset[Right]]

    def rights(self, place: Place) -> frozenset[Right]:
        return self.rights_of(self.who, place)

    def rights_of(self, who: str, place: Place) -> frozenset[Right]:
        held = [grant for grant in self.grants if grant.user_name == who]
        return rights_in(place, held, roles=self.roles)

    def require(self, place: Place, rights: frozenset[Right]) -> None:
        held = self.rights(place)
        if Right.GRANT not in held:
            raise ScopeForeign(place)
        if not rights <= held:
            raise RightBeyondOwn(rights - held)


def grant(store: Store, wished: Grant, *, actor: Actor, now: datetime) -> None:
    """Give somebody a role in a place; the same grant again changes nothing.

    Raises `RoleUnknown`, `ScopeForeign`, `GrantOwn`, `RightBeyondOwn`.
    """
    place = wished.place
    with store.transaction() as tx:
        granter = _granter(tx, place.organisation_id, actor)
        if any(each.grant_id == wished.grant_id for each in granter.grants):
            return
        if wished.user_name == actor.who:
            raise GrantOwn(actor.who)
        if wished.role not in granter.roles:
            raise RoleUnknown(wished.role)
        _require_ours(tx, place)
        granter.require(place, granter.roles[wished.role])
        tx.access.put_grant(wished)
        before = _held(granter.grants, wished.user_name)
        act = Act(
            act_id=wished.grant_id,
            what="grant",
            before=before,
            after=_held((*granter.grants, wished), wished.user_name),
        )
        _write(tx, f"person {wished.user_name}", actor, act, place.organisation_id, now=now)


def revoke(
    store: Store, grant_id: UUID, *, organisation_id: int, actor: Actor, audit_id: UUID, now: datetime
) -> None:
    """Take a role away, with a reason, and end the keys that its holder may not have any more.

    The last who grants everywhere stays.
    """
    require_reason(actor)
    with store.transaction() as tx:
        granter = _granter(tx, organisation_id, actor)
        ended = next((each for each in granter.grants if each.grant_id == grant_id), None)
        if ended is None:
            raise GrantUnknown(grant_id)
        granter.require(ended.place, frozenset())
        left = tuple(each for each in granter.grants if each.grant_id != grant_id)
        _require_an_owner(left, granter.roles, organisation_id)
        tx.access.end_grant(grant_id, revoked_by=actor.who, at=now)
        _end_keys(tx, granter, replace(granter, grants=left), actor, audit_id=audit_id, now=now)
        act = Act(
            act_id=audit_id,
            what="revoke",
            before=_held(granter.grants, ended.user_name),
            after=_held(left, ended.user_name),
        )
        _write(tx, f"person {ended.user_name}", actor, act, organisation_id, now=now)


def define_role(
    store: Store,
    role: str,
    rights: frozenset[Right],
    *,
    organisation_id: int,
    actor: Actor,
    audit_id: UUID,
    now: datetime,
) -> None:
    """Define an organisation's own role, or what a usual one means there; holds at once for who has it.

    Keys end whose makers may less from now on than the keys do.
    """
    if not 1 <= len(role.strip()) <= ROLE_CHARS_MAX or not rights:
        raise RoleMalformed(role)
    with store.transaction() as tx:
        granter = _granter(tx, organisation_id, actor)
        was = granter.roles.get(role, frozenset())
        granter.require(Place(organisation_id=organisation_id), rights | was)
        defined = replace(granter, roles={**granter.roles, role: rights})
        _require_an_owner(defined.grants, defined.roles, organisation_id)
        tx.access.put_role(organisation_id, role, rights)
        _end_keys(tx, granter, defined, actor, audit_id=audit_id, now=now)
        act = Act(act_id=audit_id, what="define_role", before=_named(was), after=_named(rights))
        _write(tx, f"role {role}", actor, act, organisation_id, now=now)


def make_key(store: Store, key: ApiKey, *, actor: Actor, now: datetime) -> None:
    """Let a machine in, at a site or everywhere, with rights of its maker there; see `NEVER_FOR_KEYS`."""
    place = key.place
    if key.rights & NEVER_FOR_KEYS:
        raise RightNotForKeys(key.rights & NEVER_FOR_KEYS)
    if key.expires_at is not None and key.expires_at <= now:
        raise KeyOver
    with store.transaction() as tx:
        granter = _granter(tx, place.organisation_id, actor)
        _require_ours(tx, place)
        # A key reaches a site at least: whoever grants in one building only would reach beyond it.
        if place.building is not None:
            raise ScopeForeign(place)
        granter.require(place, key.rights)
        tx.access.put_key(key)
        act = Act(act_id=key.key_id, what="make_key", after=_named(key.rights))
        _write(tx, f"API key {key.name}", actor, act, place.organisation_id, now=now)


def revoke_key(
    store: Store, key_id: UUID, *, organisation_id: int, actor: Actor, audit_id: UUID, now: datetime
) -> None:
    """Let a machine in no longer, with a reason."""
    require_reason(actor)
    with store.transaction() as tx:
        granter = _granter(tx, organisation_id, actor)
        key = tx.access.key(key_id)
        if key is None or key.place.organisation_id != organisation_id:
            raise GrantUnknown(key_id)
        granter.require(key.place, frozenset())
        _end_key(tx, key, actor, audit_id=audit_id, now=now)


def reset_factor(
    store: Store, name: str, *, organisation_id: int, actor: Actor, audit_id: UUID, now: datetime
) -> None:
    """Let a colleague sign in without an authenticator, with a reason; only who grants everywhere.

    What is kept here is that it was done: factors are kept where people sign in.
    """
    require_reason(actor)
    if name == actor.who:
        raise GrantOwn(name)
    with store.transaction() as tx:
        _granter(tx, organisation_id, actor).require(Place(organisation_id=organisation_id), frozenset())
        act = Act(act_id=audit_id, what="reset_factor")
        _write(tx, f"person {name}", actor, act, organisation_id, now=now)


def _end_keys(
    tx: Transaction, before: _Granter, after: _Granter, actor: Actor, *, audit_id: UUID, now: datetime
) -> None:
    """End the keys whose makers had what the keys carry, and have it no more; a key outlives no maker.

    What the installation made from the command line has no maker here, and stays.
    """
    for key in tx.access.keys(after.organisation_id):
        carried = key.rights | {Right.SEE}  # every key reads
        had = carried <= before.rights_of(key.made_by, key.place)
        if had and not carried <= after.rights_of(key.made_by, key.place):
            _end_key(tx, key, actor, audit_id=derived(audit_id, str(key.key_id)), now=now)


def _end_key(tx: Transaction, key: ApiKey, actor: Actor, *, audit_id: UUID, now: datetime) -> None:
    tx.access.end_key(key.key_id, revoked_by=actor.who, at=now)
    act = Act(act_id=audit_id, what="revoke_key", before=_named(key.rights))
    _write(tx, f"API key {key.name}", actor, act, key.place.organisation_id, now=now)


def _granter(tx: Transaction, organisation_id: int, actor: Actor) -> _Granter:
    return _Granter(
        organisation_id=organisation_id,
        who=actor.who,
        grants=tuple(tx.access.grants(organisation_id)),
        roles={**USUAL, **tx.access.own_roles(organisation_id)},
    )


def _require_ours(tx: Transaction, place: Place) -> None:
    if place.site_id is None:
        if place.building is not None:
            raise ScopeForeign(place)
        return
    buildings = tx.access.buildings(place.organisation_id).get(place.site_id)
    if buildings is None or (place.building is not None and place.building not in buildings):
        raise ScopeForeign(place)


def _require_an_owner(
    grants: Iterable[Grant], roles: Mapping[str, frozenset[Right]], organisation_id: int
) -> None:
    whole = Place(organisation_id=organisation_id)
    if Right.GRANT not in rights_in(whole, grants, roles=roles):
        raise LastOwner


def _held(grants: Iterable[Grant], user_name: str) -> str:
    return "; ".join(
        " / ".join(str(part) for part in (each.role, each.place.site_id, each.place.building) if part)
        for each in grants
        if each.user_name == user_name
    )


def _named(rights: Iterable[Right]) -> str:
    return ", ".join(sorted(right.value for right in rights))


def _write(
    tx: Transaction, subject: str, actor: Actor, act: Act, organisation_id: int, *, now: datetime
) -> None:
    tx.put_audit([entry_about(subject, actor, act, organisation_id=organisation_id, now=now)])

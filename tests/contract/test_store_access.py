"""Roles, grants and keys on both stores: nobody raises themselves, nor gives what they do not have."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.services.town import HOUR, NOON, PLATFORM, SECOND, Town, a_town, an_id

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.adapters.postgres.walls import Wall
from compuerta.domain.access import Grant, Place, Right, Role
from compuerta.domain.party import AccountKind
from compuerta.services import granting
from compuerta.services.access_port import ApiKey
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.records import AccountOpening
from compuerta.services.store_port import ConstraintBroken, Store

OLGA = Actor(who="olga", why="new year, new people", origin="console")


def the_town(store: Store) -> Town:
    """A town where olga owns all, and another organisation has a site of its own."""
    town = a_town(store, authorities=(PLATFORM,))
    with store.transaction() as tx:
        tx.access.put_grant(a_grant(town, "olga", Role.OWNER.value, by="the installation"))
        stranger = tx.add_organisation("next door")
        tx.add_site(organisation_id=stranger, name="theirs", zone="Asia/Shanghai", currency="CNY")
    return town


def a_grant(
    town: Town,
    name: str,
    role: str,
    *,
    by: str = "olga",
    site_id: int | None = None,
    building: str | None = None,
) -> Grant:
    return Grant(
        grant_id=an_id(f"{name} {role} {site_id} {building}"),
        user_name=name,
        role=role,
        place=Place(organisation_id=town.organisation_id, site_id=site_id, building=building),
        granted_by=by,
        granted_at=NOON,
    )


def granted(store: Store, grant: Grant, *, actor: Actor = OLGA) -> Grant:
    granting.grant(store, grant, actor=actor, now=NOON)
    return grant


@contextmanager
def at_the_desk(store: Store, town: Town) -> Iterator[None]:
    """Work as people do: keys are made by nobody else."""
    if isinstance(store, PostgresStore):
        with store.within(Wall(organisation_id=town.organisation_id)):
            yield
    else:
        yield


def names_and_roles(store: Store, town: Town) -> list[tuple[str, str]]:
    with store.transaction() as tx:
        return sorted((each.user_name, each.role) for each in tx.access.grants(town.organisation_id))


def test_an_owner_grants_and_revokes(store: Store) -> None:
    town = the_town(store)

    grant = granted(store, a_grant(town, "carla", "cashier", site_id=1))
    granted(store, grant)
    there = names_and_roles(store, town)
    granting.revoke(
        store,
        grant.grant_id,
        organisation_id=town.organisation_id,
        actor=OLGA,
        audit_id=an_id("away"),
        now=NOON + HOUR,
    )

    assert there == [("carla", "cashier"), ("olga", "owner")]
    assert names_and_roles(store, town) == [("olga", "owner")]


def test_nobody_grants_to_themselves(store: Store) -> None:
    town = the_town(store)
    granted(store, a_grant(town, "omar", "owner", site_id=1))

    with pytest.raises(granting.GrantOwn):
        granted(store, a_grant(town, "olga", "auditor"))
    with pytest.raises(granting.GrantOwn):
        granted(store, a_grant(town, "omar", "owner", by="omar"), actor=replace(OLGA, who="omar"))


def test_the_database_too_refuses_who_grants_to_themselves(store: Store) -> None:
    town = the_town(store)

    with pytest.raises(ConstraintBroken), store.transaction() as tx:
        tx.access.put_grant(a_grant(town, "omar", "owner", by="omar"))


def test_a_role_that_nobody_knows_is_refused(store: Store) -> None:
    town = the_town(store)

    with pytest.raises(granting.RoleUnknown) as refused:
        granted(store, a_grant(town, "carla", "emperor"))

    assert refused.value.role == "emperor"


@pytest.mark.parametrize(
    ("site_id", "building"), [(2, None), (99, None), (1, "no such building"), (None, "A")]
)
def test_a_scope_outside_ones_own_organisation_is_refused(
    store: Store, site_id: int | None, building: str | None
) -> None:
    town = the_town(store)

    with pytest.raises(granting.ScopeForeign):
        granted(store, a_grant(town, "carla", "cashier", site_id=site_id, building=building))


def test_who_owns_one_site_grants_nothing_beyond_it(store: Store) -> None:
    town = the_town(store)
    granted(store, a_grant(town, "omar", "owner", site_id=1))
    omar = replace(OLGA, who="omar")

    granted(store, a_grant(town, "carla", "cashier", by="omar", site_id=1), actor=omar)
    with pytest.raises(granting.ScopeForeign):
        granted(store, a_grant(town, "carla", "cashier", by="omar"), actor=omar)


def test_nobody_grants_rights_that_they_do_not_have_there(store: Store) -> None:
    town = the_town(store)
    granting.define_role(
        store,
        "doorkeeper",
        frozenset({Right.SEE, Right.GRANT}),
        organisation_id=town.organisation_id,
        actor=OLGA,
        audit_id=an_id("role"),
        now=NOON,
    )
    granted(store, a_grant(town, "dora", "doorkeeper"))
    dora = replace(OLGA, who="dora")

    with pytest.raises(granting.RightBeyondOwn) as refused:
        granted(store, a_grant(town, "carla", "cashier", by="dora"), actor=dora)

    assert refused.value.rights == ("sell",)
    granted(store, a_grant(town, "carla", "doorkeeper", by="dora"), actor=dora)


def test_the_last_owner_stays(store: Store) -> None:
    town = the_town(store)
    granted(store, a_grant(town, "omar", "owner", site_id=1))
    (mine,) = [each for each in _grants(store, town) if each.user_name == "olga"]

    with pytest.raises(granting.LastOwner):
        granting.revoke(
            store,
            mine.grant_id,
            organisation_id=town.organisation_id,
            actor=OLGA,
            audit_id=an_id("last"),
            now=NOON,
        )
    with pytest.raises(granting.LastOwner):
        granting.define_role(
            store,
            "owner",
            frozenset({Right.SEE}),
            organisation_id=town.organisation_id,
            actor=OLGA,
            audit_id=an_id("owner"),
            now=NOON,
        )


def test_a_grant_is_revoked_with_a_reason_and_once(store: Store) -> None:
    town = the_town(store)
    grant = granted(store, a_grant(town, "carla", "cashier"))
    ended = {"organisation_id": town.organisation_id, "audit_id": an_id("away"), "now": NOON}

    with pytest.raises(ReasonMissing):
        granting.revoke(store, grant.grant_id, actor=replace(OLGA, why=" "), **ended)  # type: ignore[arg-type]
    granting.revoke(store, grant.grant_id, actor=OLGA, **ended)  # type: ignore[arg-type]
    with pytest.raises(granting.GrantUnknown):
        granting.revoke(store, grant.grant_id, actor=OLGA, **ended)  # type: ignore[arg-type]


def test_a_role_without_a_name_or_a_right_is_refused(store: Store) -> None:
    town = the_town(store)

    for role, rights in (("", {Right.SEE}), ("x" * 61, {Right.SEE}), ("nobody", set[Right]())):
        with pytest.raises(granting.RoleMalformed):
            granting.define_role(
                store,
                role,
                frozenset(rights),
                organisation_id=town.organisation_id,
                actor=OLGA,
                audit_id=an_id("role"),
                now=NOON,
            )


def a_key(town: Town, *rights: Right, site_id: int | None = 1, expires_s: int = 60) -> ApiKey:
    return ApiKey(
        key_id=an_id("key"),
        key_hash=b"hash",
        name="kiosk",
        rights=frozenset(rights),
        place=Place(organisation_id=town.organisation_id, site_id=site_id),
        made_by="olga",
        created_at=NOON,
        expires_at=NOON + timedelta(seconds=expires_s),
    )


def test_a_key_is_made_and_revoked(store: Store) -> None:
    town = the_town(store)
    key = a_key(town, Right.SELL, Right.SWITCH)

    with at_the_desk(store, town):
        granting.make_key(store, key, actor=OLGA, now=NOON)
        with store.transaction() as tx:
            kept = tx.access.key(key.key_id)
        granting.revoke_key(
            store,
            key.key_id,
            organisation_id=town.organisation_id,
            actor=OLGA,
            audit_id=an_id("away"),
            now=NOON + SECOND,
        )

    assert kept == key
    with store.transaction() as tx:
        assert tx.access.key(key.key_id) is None


def keys_of_omar(store: Store, town: Town) -> Grant:
    """Return what makes omar, a cashier, an owner: of his two keys a cashier may have one."""
    granted(store, a_grant(town, "omar", "cashier"))
    grant = granted(store, a_grant(town, "omar", "owner"))
    wide, narrow = a_key(town, Right.SELL, Right.SWITCH), a_key(town, Right.SELL)
    for name, key, who in (
        ("wide", wide, "omar"),
        ("narrow", narrow, "omar"),
        ("olga's", wide, "olga"),
        ("by hand", wide, "the installation"),
    ):
        made = replace(key, key_id=an_id(name), key_hash=name.encode(), name=name, made_by=who)
        with store.transaction() as tx:
            tx.access.put_key(made)
    return grant


def names_of_keys(store: Store, town: Town) -> list[str]:
    with store.transaction() as tx:
        return sorted(each.name for each in tx.access.keys(town.organisation_id))


def test_a_key_outlives_no_right_of_its_maker(store: Store) -> None:
    town = the_town(store)

    with at_the_desk(store, town):
        grant = keys_of_omar(store, town)
        granting.revoke(
            store,
            grant.grant_id,
            organisation_id=town.organisation_id,
            actor=OLGA,
            audit_id=an_id("away"),
            now=NOON + HOUR,
        )

        assert names_of_keys(store, town) == ["by hand", "narrow", "olga's"]


def test_a_key_ends_when_the_role_of_its_maker_means_less(store: Store) -> None:
    town = the_town(store)
    granted(store, a_grant(town, "berta", "manager"))

    with at_the_desk(store, town):
        with store.transaction() as tx:
            tx.access.put_key(replace(a_key(town, Right.SWITCH), made_by="berta"))
        granting.define_role(
            store,
            "manager",
            frozenset({Right.SEE, Right.SELL}),
            organisation_id=town.organisation_id,
            actor=OLGA,
            audit_id=an_id("role"),
            now=NOON,
        )

        assert names_of_keys(store, town) == []


def test_an_authenticator_is_reset_by_another_who_grants_everywhere(store: Store) -> None:
    town = the_town(store)
    granted(store, a_grant(town, "berta", "owner", site_id=1))

    for who, why, refusal in (
        ("olga", "lost", granting.GrantOwn),
        ("berta", "lost", granting.ScopeForeign),
        ("berta", " ", ReasonMissing),
    ):
        with pytest.raises(refusal), at_the_desk(store, town):
            granting.reset_factor(
                store,
                "olga",
                organisation_id=town.organisation_id,
                actor=replace(OLGA, who=who, why=why),
                audit_id=an_id("reset"),
                now=NOON,
            )


@pytest.mark.parametrize("right", [Right.GRANT, Right.APPROVE_TARIFF, Right.APPROVE_MASS])
def test_a_machine_is_nobodys_second_person(store: Store, right: Right) -> None:
    town = the_town(store)

    with pytest.raises(granting.RightNotForKeys):
        granting.make_key(store, a_key(town, right), actor=OLGA, now=NOON)


def test_a_key_is_refused_that_is_over_or_elsewhere_or_beyond(store: Store) -> None:
    town = the_town(store)
    granted(store, a_grant(town, "carla", "cashier"))

    with pytest.raises(granting.KeyOver):
        granting.make_key(store, a_key(town, Right.SELL, expires_s=0), actor=OLGA, now=NOON)
    with pytest.raises(granting.ScopeForeign):
        granting.make_key(store, a_key(town, Right.SELL, site_id=2), actor=OLGA, now=NOON)
    with pytest.raises(granting.ScopeForeign):
        granting.make_key(store, a_key(town, Right.SELL), actor=replace(OLGA, who="carla"), now=NOON)


def test_who_grants_in_one_building_makes_no_key_that_reaches_the_site(store: Store) -> None:
    town = the_town(store)
    with store.transaction() as tx:
        tx.add_account(
            AccountOpening(
                site_id=1, kind=AccountKind.SUSPENSE, name="-", supply_point="B1", building="B",
                tariff_id=None, meter_id=None, pay_token=an_id("B1"), opened_at=NOON,
            )
        )  # fmt: skip
        tx.access.put_grant(a_grant(town, "berta", Role.OWNER.value, site_id=1, building="B"))
    key = a_key(town, Right.SELL)
    inside = replace(key, place=replace(key.place, building="B"))

    for wished in (key, inside):
        with pytest.raises(granting.ScopeForeign), at_the_desk(store, town):
            granting.make_key(store, wished, actor=replace(OLGA, who="berta"), now=NOON)


def _grants(store: Store, town: Town) -> list[Grant]:
    with store.transaction() as tx:
        return tx.access.grants(town.organisation_id)

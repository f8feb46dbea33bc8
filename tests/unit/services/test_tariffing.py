"""Tariffs are decided on by two persons, refused with every reason, and never change what is rated."""

from dataclasses import replace
from datetime import datetime

import pytest
from tests.unit.services.tariffs import (
    ANA,
    DAY,
    DECEMBER,
    DECEMBER_AT,
    EVA,
    FLAT,
    SILENT,
    a_town_of,
    acts,
    approve,
    approved,
    drafted,
    loadings,
    places,
    propose,
    proposed,
    state,
    stepped,
    withdraw,
)
from tests.unit.services.town import (
    NOON,
    PLATFORM,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.errors import Refused
from compuerta.domain.money import CurrencyUnknown
from compuerta.domain.tariff.checking import TariffFaulty
from compuerta.services import tariffing
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.records import VersionState
from compuerta.services.store_port import NameTaken
from compuerta.services.tariffing import (
    CurrencyDiffers,
    OwnRequest,
    TariffUnknown,
    VersionDecided,
    VersionNotProposed,
)

# Drafts.


def test_a_line_of_versions_begins_with_a_draft() -> None:
    store = MemoryStore()
    town = a_town_of(store)

    key = tariffing.begin(
        store,
        stepped(),
        organisation_id=town.organisation_id,
        effective_from=DECEMBER,
        actor=ANA,
        now=NOON,
    )

    assert (key[1], state(store, key)) == (1, VersionState.DRAFT)
    assert acts(store) == {"draft tariff": "ana"}


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"name": " "}, TariffFaulty),
        ({"currency": "XXX"}, CurrencyUnknown),
        ({"name": FLAT.name}, NameTaken),
    ],
)
def test_a_line_that_nobody_could_use_is_not_begun(changes: dict[str, str], refusal: type[Refused]) -> None:
    store = MemoryStore()
    town = a_town_of(store, tariff=FLAT)

    with pytest.raises(refusal):
        tariffing.begin(
            store,
            replace(stepped(), **changes),  # type: ignore[arg-type]
            organisation_id=town.organisation_id,
            effective_from=DECEMBER,
            actor=ANA,
            now=NOON,
        )

    assert len(store.tables.tariffs) == 1


def test_a_draft_is_the_next_version_and_may_be_written_anew() -> None:
    store = MemoryStore()
    town = a_town_of(store)
    key = drafted(store, town)

    tariffing.redraft(store, stepped(), key=key, effective_from=DECEMBER + DAY, actor=EVA, now=NOON)

    kept = store.tables.versions[key]
    assert (key[1], kept.drafted_by, kept.version.effective_from) == (2, "eva", DECEMBER + DAY)
    assert kept.version.tariff == stepped()
    assert acts(store) == {"draft tariff": "ana", "redraft tariff": "eva"}


def test_a_draft_of_another_currency_is_refused() -> None:
    store = MemoryStore()
    town = a_town_of(store)

    with pytest.raises(CurrencyDiffers):
        drafted(store, town, replace(FLAT, currency="EUR"))

    assert len(store.tables.versions) == 1


@pytest.mark.parametrize("year", [1, 1999, 2200, 9999])
def test_a_draft_from_the_ends_of_the_calendar_is_refused(year: int) -> None:
    store = MemoryStore()
    town = a_town_of(store, tariff=FLAT)
    key = drafted(store, town)
    far = datetime(year, 12, 31, 23)  # noqa: DTZ001 the site's wall clock
    before = dict(store.tables.versions)

    for refused in (
        lambda: drafted(store, town, at=far),
        lambda: tariffing.redraft(store, FLAT, key=key, effective_from=far, actor=ANA, now=NOON),
        lambda: tariffing.begin(
            store,
            stepped(),
            organisation_id=town.organisation_id,
            effective_from=far,
            actor=ANA,
            now=NOON,
        ),
    ):
        with pytest.raises(TariffFaulty) as caught:
            refused()
        assert places(caught.value) == ["effective_from"]

    assert store.tables.versions == before
    assert len(store.tables.tariffs) == 1


@pytest.mark.parametrize("decide", [propose, approve, withdraw])
def test_what_is_not_there_is_not_decided(decide: object) -> None:
    store = MemoryStore()
    town = a_town_of(store)
    assert callable(decide)

    for key in ((town.tariff_id, 9), (99, 1)):
        with pytest.raises(TariffUnknown):
            decide(store, key)


# Proposals.


def test_a_proposal_never_changes_any_more() -> None:
    store = MemoryStore()
    key = proposed(store, a_town_of(store))

    with pytest.raises(VersionDecided):
        tariffing.redraft(store, stepped(), key=key, effective_from=DECEMBER, actor=ANA, now=NOON)
    with pytest.raises(VersionDecided):
        propose(store, key)

    assert state(store, key) is VersionState.PROPOSED


def test_a_faulty_draft_is_refused_with_every_fault_and_stays_a_draft() -> None:
    store = MemoryStore()
    energy = FLAT.energy
    nothing = replace(energy.calendar, seasons=())
    faulty = replace(FLAT, cycle_day=31, components=(replace(energy, calendar=nothing),))
    key = drafted(store, a_town_of(store), faulty)

    with pytest.raises(TariffFaulty) as caught:
        propose(store, key)

    assert places(caught.value) == ["cycle_day", "components[0].seasons"]
    assert state(store, key) is VersionState.DRAFT


@pytest.mark.parametrize(
    ("at", "is_late"),
    [
        (datetime(2026, 11, 22, 12, 0), True),  # noqa: DTZ001 now, in Shanghai
        (datetime(2026, 11, 22, 12, 1), False),  # noqa: DTZ001
    ],
)
def test_a_moment_that_has_passed_where_it_is_used_is_refused(at: datetime, is_late: bool) -> None:
    store = MemoryStore()
    key = drafted(store, a_town_of(store, PLATFORM), at=at)

    if is_late:
        with pytest.raises(TariffFaulty) as caught:
            propose(store, key)
        assert places(caught.value) == ["effective_from"]
    else:
        propose(store, key)


def test_a_tariff_that_bills_nobody_may_begin_in_the_past() -> None:
    store = MemoryStore()
    town = a_town_of(store)
    key = tariffing.begin(
        store,
        stepped(),
        organisation_id=town.organisation_id,
        effective_from=tariffing.SINCE_EVER,
        actor=ANA,
        now=NOON,
    )

    propose(store, key)

    assert state(store, key) is VersionState.PROPOSED


def test_another_window_of_steps_has_to_say_what_becomes_of_the_running_total() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM, tariff=stepped())

    with pytest.raises(TariffFaulty) as caught:
        propose(store, drafted(store, town, stepped(window="year")))

    assert places(caught.value) == ["components[0].steps.on_change"]
    propose(store, drafted(store, town, stepped(window="year", on_change="reset")))


def test_a_version_in_between_has_to_go_with_the_one_that_follows() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM, tariff=stepped())
    approved(store, town, stepped(bound="200"), at=DECEMBER + 60 * DAY)

    with pytest.raises(TariffFaulty) as caught:
        propose(store, drafted(store, town, stepped(window="year", on_change="reset")))

    assert places(caught.value) == ["effective_from"]


def test_two_versions_do_not_begin_at_one_moment() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM)
    approved(store, town)

    with pytest.raises(TariffFaulty) as caught:
        propose(store, drafted(store, town))

    assert places(caught.value) == ["effective_from"]


@pytest.mark.parametrize(
    ("at", "fine"),
    [(DECEMBER - DAY, False), (DECEMBER, True), (DECEMBER + DAY, True)],
)
def test_bounds_are_not_shared_anew_in_a_window_that_has_begun(at: datetime, fine: bool) -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM, tariff=stepped(on_change="prorate"))
    key = drafted(store, town, stepped(on_change="prorate", bound="200"), at=at)

    if fine:
        propose(store, key)
    else:
        with pytest.raises(TariffFaulty) as caught:
            propose(store, key)
        assert places(caught.value) == ["components[0].steps.on_change"]


@pytest.mark.parametrize("decide", [propose, approve, withdraw])
def test_whoever_decides_says_why(decide: object) -> None:
    store = MemoryStore()
    key = drafted(store, a_town_of(store))
    assert callable(decide)

    with pytest.raises(ReasonMissing):
        decide(store, key, actor=SILENT)

    assert state(store, key) is VersionState.DRAFT


# Decisions.


@pytest.mark.parametrize("actor", [ANA, EVA])
def test_nobody_approves_what_they_have_drafted_or_proposed(actor: Actor) -> None:
    store = MemoryStore()
    town = a_town_of(store)
    key = drafted(store, town)
    propose(store, key, actor=EVA)

    with pytest.raises(OwnRequest):
        approve(store, key, actor=actor)

    assert state(store, key) is VersionState.PROPOSED
    assert loadings(store) == []


def test_a_draft_is_not_approved() -> None:
    store = MemoryStore()
    key = drafted(store, a_town_of(store))

    with pytest.raises(VersionNotProposed):
        approve(store, key)

    assert state(store, key) is VersionState.DRAFT


def test_what_waited_too_long_for_its_approval_is_refused() -> None:
    store = MemoryStore()
    key = proposed(store, a_town_of(store))

    with pytest.raises(TariffFaulty) as caught:
        approve(store, key, now=DECEMBER_AT)

    assert places(caught.value) == ["effective_from"]
    assert state(store, key) is VersionState.PROPOSED


def test_a_withdrawn_version_bills_nobody_and_its_moment_is_free() -> None:
    store = MemoryStore()
    town = a_town_of(store)
    key = proposed(store, town)

    withdraw(store, key)

    assert state(store, key) is VersionState.WITHDRAWN
    with pytest.raises(VersionNotProposed):
        approve(store, key)
    approved(store, town)


def test_what_was_approved_is_not_withdrawn() -> None:
    store = MemoryStore()
    key = approved(store, a_town_of(store))

    with pytest.raises(VersionDecided):
        withdraw(store, key)

    assert state(store, key) is VersionState.APPROVED


def test_every_decision_leaves_its_row() -> None:
    store = MemoryStore()

    approved(store, a_town_of(store))

    assert acts(store) == {"draft tariff": "ana", "propose tariff": "ana", "approve tariff": "bea"}
    last = store.tables.audit[-1]
    assert (last.subject, last.before, last.after, last.why) == (
        "tariff 1 version 2",
        "proposed",
        "approved",
        "checked",
    )

"""Tariffs are decided on by two persons, refused with every reason, and never change what is rated."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.services.town import (
    HOUR,
    METER,
    MODELS,
    NOON,
    PLATFORM,
    Town,
    a_tariff,
    a_town,
    an_id,
    the_view,
    told,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.errors import Refused
from compuerta.domain.instruction import Instruction, Kind, State
from compuerta.domain.money import CurrencyUnknown
from compuerta.domain.party import CreditAuthority
from compuerta.domain.tariff.checking import TariffFaulty
from compuerta.domain.tariff.civil import to_us
from compuerta.domain.tariff.components import Tariff, Terms
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.domain.tariff.schedule import VersionKey
from compuerta.services import rollout, tariffing
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.rollout import MetersMisfit, Stand
from compuerta.services.store_port import Assignment, NameTaken, VersionState
from compuerta.services.tariffing import (
    AccountNotBilled,
    CurrencyDiffers,
    OwnRequest,
    PastIsRated,
    TariffNotApproved,
    TariffUnknown,
    TermsMidBill,
    VersionDecided,
    VersionNotProposed,
)

ANA = Actor(who="ana", why="prices change", origin="console")
BEA = Actor(who="bea", why="checked", origin="console")
EVA = Actor(who="eva", why="drafts", origin="console")
SILENT = replace(BEA, why="  ")
DECEMBER = datetime(2026, 12, 1)  # noqa: DTZ001 the site's wall clock
DECEMBER_AT = datetime(2026, 11, 30, 16, tzinfo=UTC)  # in Shanghai
DAY = timedelta(days=1)
STANDARD = "dlt645-standard-4g"
VENDOR = "dlt645-vendor-rs485"


def stepped(*, window: str = "month", on_change: str = "continue", bound: str = "100") -> Tariff:
    return tariff_from(
        {
            "name": "Two steps",
            "currency": "CNY",
            "components": [
                {
                    "kind": "energy",
                    "name": "Energy",
                    "periods": [{"name": "any time", "prices": ["0.50", "0.80"]}],
                    "steps": {"window": window, "bounds_kwh": [bound], "on_change": on_change},
                }
            ],
        }
    )


FLAT = flat_tariff("0.60", currency="CNY")
STANDING = tariff_from(
    {
        "name": "Standing",
        "currency": "CNY",
        "components": [
            {"kind": "energy", "name": "Energy", "periods": [{"name": "any time", "prices": ["0.60"]}]},
            {"kind": "fixed", "name": "Standing", "account": "fixed", "amount": "5", "per": "month"},
        ],
    }
)


def a_town_of(
    store: MemoryStore,
    *authorities: CreditAuthority,
    model: str = STANDARD,
    tariff: Tariff | None = None,
) -> Town:
    return a_town(store, authorities=authorities or (METER,), model=model, tariff=tariff)


def drafted(store: MemoryStore, town: Town, tariff: Tariff = FLAT, *, at: datetime = DECEMBER) -> VersionKey:
    return tariffing.draft(store, tariff, tariff_id=town.tariff_id, effective_from=at, actor=ANA, now=NOON)


def propose(store: MemoryStore, key: VersionKey, *, actor: Actor = ANA, now: datetime = NOON) -> None:
    tariffing.propose(store, key, actor=actor, act_id=an_id(f"propose {key}"), now=now)


def approve(
    store: MemoryStore,
    key: VersionKey,
    *,
    actor: Actor = BEA,
    now: datetime = NOON,
    by_hand: bool = False,
) -> None:
    tariffing.approve(
        store, key, actor=actor, act_id=an_id(f"approve {key}"), models=MODELS, now=now, by_hand=by_hand
    )


def withdraw(store: MemoryStore, key: VersionKey, *, actor: Actor = ANA) -> None:
    tariffing.withdraw(store, key, actor=actor, act_id=an_id(f"withdraw {key}"), now=NOON)


def proposed(store: MemoryStore, town: Town, tariff: Tariff = FLAT, *, at: datetime = DECEMBER) -> VersionKey:
    key = drafted(store, town, tariff, at=at)
    propose(store, key)
    return key


def approved(store: MemoryStore, town: Town, tariff: Tariff = FLAT, *, at: datetime = DECEMBER) -> VersionKey:
    key = proposed(store, town, tariff, at=at)
    approve(store, key)
    return key


def state(store: MemoryStore, key: VersionKey) -> VersionState:
    return store.tables.versions[key].state


def loadings(store: MemoryStore) -> list[Instruction]:
    return [each for each in store.tables.instructions.values() if each.kind is Kind.TARIFF]


def places(refused: TariffFaulty) -> list[str]:
    return [fault.place for fault in refused.faults]


def acts(store: MemoryStore) -> Mapping[str, str]:
    return {each.what: each.who for each in store.tables.audit}


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


# Meters.


def test_approval_tells_the_meters_that_deduct_by_themselves_and_no_other() -> None:
    store = MemoryStore()
    town = a_town_of(store, METER, PLATFORM, METER)

    key = approved(store, town)

    assert [
        (each.meter_id, each.account_id, (each.tariff_id, each.version_no), each.effective_at, each.state)
        for each in loadings(store)
    ] == [
        (home.meter_id, home.account_id, key, DECEMBER_AT, State.WAITING)
        for home in (town.homes[0], town.homes[2])
    ]


@pytest.mark.parametrize(
    ("model", "tariff", "reason"),
    [
        (STANDARD, STANDING, "a meter deducts for use only, not for time"),
        (VENDOR, FLAT, "meters of this model take no tables: its prices are set by hand"),
        ("unknown", FLAT, "meters of this model take no tables: its prices are set by hand"),
    ],
)
def test_a_version_that_meters_cannot_hold_is_refused_with_the_reasons(
    model: str, tariff: Tariff, reason: str
) -> None:
    store = MemoryStore()
    key = proposed(store, a_town_of(store, METER, PLATFORM, model=model), tariff)

    with pytest.raises(MetersMisfit) as caught:
        approve(store, key)

    (misfit,) = caught.value.meters
    assert (misfit.meter_no, misfit.model) == ("000000000001", model)
    assert [each.reason for each in misfit.misfits] == [reason]
    assert state(store, key) is VersionState.PROPOSED
    assert loadings(store) == []


def test_meters_that_cannot_hold_it_may_be_set_by_hand_and_have_a_case() -> None:
    store = MemoryStore()
    town = a_town_of(store, model=VENDOR)
    key = proposed(store, town)

    approve(store, key, by_hand=True)

    (case,) = store.tables.cases.values()
    assert (case.kind, case.account_id) == ("tariff_by_hand", town.homes[0].account_id)
    assert "set version 2 of tariff 1 in meter 000000000001" in case.detail
    assert loadings(store) == []
    found = rollout.rollout(store, key, models=MODELS, now=NOON)
    assert [each.meter_no for each in found.at(Stand.MISFIT)] == ["000000000001"]


def test_the_platform_rates_what_its_meters_could_not_hold() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM, PLATFORM)

    key = approved(store, town, STANDING)

    found = rollout.rollout(store, key, models=MODELS, now=NOON)
    assert (found.by_platform, found.meters) == (2, ())


def test_whether_meters_could_hold_a_version_is_told_before_anybody_decides() -> None:
    store = MemoryStore()
    town = a_town_of(store, METER, METER, PLATFORM)
    fine, standing = drafted(store, town), drafted(store, town, STANDING)

    by_model = [
        rollout.fits(store, store.tables.versions[key].version, models=MODELS, now=NOON)
        for key in (fine, standing)
    ]

    assert [(each.model, each.meters, len(each.misfits)) for found in by_model for each in found] == [
        (STANDARD, 2, 0),
        (STANDARD, 2, 1),
    ]


def test_an_account_that_leaves_before_is_not_told() -> None:
    store = MemoryStore()
    town = a_town_of(store, METER, METER)
    other = another_tariff(store, town, FLAT)
    assign(store, town, at=DECEMBER_AT - DAY, tariff_id=other)
    was = len(loadings(store))

    approved(store, town, flat_tariff("0.70", currency="CNY"))

    assert [each.meter_id for each in loadings(store)[was:]] == [town.homes[1].meter_id]


# Assignments.


def another_tariff(store: MemoryStore, town: Town, tariff: Tariff) -> int:
    with store.transaction() as tx:
        return a_tariff(tx, town.organisation_id, replace(tariff, name="Another"))


def assign(
    store: MemoryStore,
    town: Town,
    *,
    at: datetime,
    tariff_id: int,
    terms: Terms = Terms(),  # noqa: B008 frozen
    actor: Actor = ANA,
    account_id: int | None = None,
) -> None:
    line = Assignment(
        account_id=account_id or town.homes[0].account_id, starts_at=at, tariff_id=tariff_id, terms=terms
    )
    tariffing.assign(store, line, actor=actor, act_id=an_id(f"assign {at}"), models=MODELS, now=NOON)


def test_an_account_goes_over_to_another_tariff_and_its_meter_too() -> None:
    store = MemoryStore()
    town = a_town_of(store)
    other = another_tariff(store, town, FLAT)

    assign(store, town, at=DECEMBER_AT, tariff_id=other)

    view = the_view(store, town.homes[0].account_id)
    assert view.schedule is not None
    assert [view.schedule.version_at(to_us(at)).tariff_id for at in (DECEMBER_AT - HOUR, DECEMBER_AT)] == [
        town.tariff_id,
        other,
    ]
    assert [(each.tariff_id, each.effective_at) for each in loadings(store)] == [(other, DECEMBER_AT)]
    (act,) = store.tables.audit
    assert (act.what, act.subject) == ("assign tariff", f"account {town.homes[0].account_id}")


def test_later_versions_of_the_tariff_are_told_to_the_meter_too() -> None:
    store = MemoryStore()
    town = a_town_of(store, METER, METER)
    other = replace(town, tariff_id=another_tariff(store, town, FLAT))
    approved(store, other, flat_tariff("0.70", currency="CNY"), at=DECEMBER + 31 * DAY)

    assign(store, town, at=DECEMBER_AT, tariff_id=other.tariff_id)

    assert [(each.version_no, each.effective_at) for each in loadings(store)] == [
        (1, DECEMBER_AT),
        (2, DECEMBER_AT + 31 * DAY),
    ]


def test_what_is_rated_is_not_rated_again() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM)
    other = another_tariff(store, town, FLAT)
    told(store, town.homes[0], at=NOON + HOUR, energy_wh=100)

    with pytest.raises(PastIsRated):
        assign(store, town, at=NOON + HOUR - timedelta(seconds=1), tariff_id=other)
    assign(store, town, at=NOON + HOUR, tariff_id=other)

    assert len(store.tables.assignments) == 1


def test_terms_change_where_a_bill_begins_and_the_bill_before_keeps_its_own() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM)
    five = Terms(persons=5)

    with pytest.raises(TermsMidBill) as caught:
        assign(store, town, at=DECEMBER_AT - HOUR, tariff_id=town.tariff_id, terms=five)
    assign(store, town, at=DECEMBER_AT, tariff_id=town.tariff_id, terms=five)

    assert "2026-11-30T16:00:00+00:00" in str(caught.value)
    view = the_view(store, town.homes[0].account_id, now=DECEMBER_AT)
    assert (view.terms_at(DECEMBER_AT - HOUR), view.terms_at(DECEMBER_AT)) == (Terms(), five)


def test_what_cannot_be_assigned_is_refused_and_nothing_is_saved() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM)
    with store.transaction() as tx:
        stranger = tx.add_organisation("Other house")
        theirs = a_tariff(tx, stranger, FLAT)
        euro = a_tariff(tx, town.organisation_id, replace(FLAT, name="Euro", currency="EUR"))
    unapproved = tariffing.begin(
        store,
        stepped(),
        organisation_id=town.organisation_id,
        effective_from=DECEMBER,
        actor=ANA,
        now=NOON,
    )[0]
    mine = town.tariff_id
    refusals: list[tuple[type[Refused], int, int | None, Actor]] = [
        (TariffUnknown, 99, None, ANA),
        (TariffUnknown, theirs, None, ANA),
        (TariffNotApproved, unapproved, None, ANA),
        (CurrencyDiffers, euro, None, ANA),
        (AccountNotBilled, mine, 99, ANA),
        (AccountNotBilled, mine, town.suspense_id, ANA),
        (ReasonMissing, mine, None, SILENT),
    ]

    for refusal, tariff_id, account_id, actor in refusals:
        with pytest.raises(refusal):
            assign(store, town, at=DECEMBER_AT, tariff_id=tariff_id, account_id=account_id, actor=actor)

    assert store.tables.assignments == {}


def test_a_tariff_whose_steps_mean_something_else_is_not_assigned() -> None:
    store = MemoryStore()
    town = a_town_of(store, PLATFORM, tariff=stepped())
    other = another_tariff(store, town, stepped(window="year"))

    with pytest.raises(TariffFaulty):
        assign(store, town, at=DECEMBER_AT, tariff_id=other)

    assert store.tables.assignments == {}


def test_a_meter_that_cannot_hold_the_other_tariff_keeps_its_account_where_it_is() -> None:
    store = MemoryStore()
    town = a_town_of(store)
    other = another_tariff(store, town, STANDING)

    with pytest.raises(MetersMisfit):
        assign(store, town, at=DECEMBER_AT, tariff_id=other)

    assert store.tables.assignments == {}

"""The store port: outposts, their keys, and up to where their journals are kept."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import HOUR, NOON, PLATFORM, a_meter_entry, a_town, an_id, an_opening, the_view

from compuerta.domain.party import Bearer
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services import forwarding, mandating, outposts
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.forwarding import Cut, Record
from compuerta.services.outpost_port import Outpost
from compuerta.services.outposts import OutpostMalformed, OutpostUnknown
from compuerta.services.store_port import NameTaken, Store

ANA = Actor(who="ana", why="it stands in the basement", origin="command line")
JOURNAL, LATER_JOURNAL = an_id("journal"), an_id("later journal")
MINUTE = timedelta(minutes=1)


def an_outpost(store: Store) -> Outpost:
    """Enter an outpost with a line and a meter on it; returns the outpost."""
    town = a_town(store, authorities=())
    outpost = Outpost(outpost_id="post-1", organisation_id=town.organisation_id)
    [end] = outposts.enter(store, outpost, ANA, bauds={1: 9_600}, now=NOON)
    with store.transaction() as tx:
        entry = a_meter_entry(town.organisation_id, number=1, authority=PLATFORM)
        meter_id = tx.add_meter(replace(entry, endpoint_id=end.endpoint_id))
        opening = an_opening(town.site_id, name="flat", meter_id=meter_id, tariff_id=town.tariff_id)
        tx.add_account(opening)
    return outpost


def the_meter(store: Store) -> tuple[int, int]:
    """Return the meter on the outpost's line, and its account."""
    with store.transaction() as tx:
        [meter_id] = [each.meter_id for each in tx.meters() if each.endpoint_id == "post-1-1"]
        return meter_id, tx.accounts_of_meters([meter_id])[meter_id]


def a_record(store: Store, number: int, *, energy_wh: int, cut: Cut | None = None) -> Record:
    relay = Relay.CLOSED if cut is None else Relay.OPEN
    meter_id, _ = the_meter(store)
    state = MeterState(energy_wh=energy_wh, relay=relay)
    return Record(record_no=number, meter_id=meter_id, at=NOON + number * MINUTE, state=state, cut=cut)


def forwarded(store: Store, *records: Record, journal_id: object = JOURNAL) -> int:
    return forwarding.take_records(
        store,
        outpost_id="post-1",
        journal_id=journal_id,  # type: ignore[arg-type]
        records=records,
        now=NOON + HOUR,
    )


def test_an_outpost_is_entered_with_the_ends_of_its_lines(store: Store) -> None:
    outpost = an_outpost(store)

    with store.transaction() as tx:
        assert tx.outposts.outposts() == {"post-1": outpost}
        end = next(each for each in tx.endpoints() if each.bearer is Bearer.OUTPOST)
    assert (end.endpoint_id, end.address, end.baud) == ("post-1-1", "post-1/1", 9_600)
    assert mandating.lines_of([end]) == {"post-1": {1: end}}


def test_a_name_is_given_once_and_an_act_needs_a_reason(store: Store) -> None:
    outpost = an_outpost(store)

    with pytest.raises(NameTaken):
        outposts.enter(store, outpost, ANA, bauds={}, now=NOON)
    with pytest.raises(ReasonMissing):
        outposts.revoke(store, "post-1", replace(ANA, why=" "), now=NOON)
    with pytest.raises(OutpostUnknown):
        outposts.revoke(store, "post-9", ANA, now=NOON)
    for wrong in (replace(outpost, outpost_id="a/b"), replace(outpost, outpost_id="o2", mandate_h=745)):
        with pytest.raises(OutpostMalformed):
            outposts.enter(store, wrong, ANA, bauds={}, now=NOON)


def test_a_key_is_taken_away_by_its_next_generation(store: Store) -> None:
    an_outpost(store)

    outposts.revoke(store, "post-1", ANA, now=NOON)

    with store.transaction() as tx:
        assert tx.outposts.outposts()["post-1"].key_generation == 2


def test_a_journal_is_kept_up_to_a_record_and_never_less(store: Store) -> None:
    an_outpost(store)
    first, second = a_record(store, 1, energy_wh=1_000), a_record(store, 2, energy_wh=2_000)

    assert forwarded(store, first, second) == 2
    assert forwarded(store, first) == 2
    assert forwarded(store, second) == 2

    _, account_id = the_meter(store)
    assert the_view(store, account_id).holdings.billed_wh == 2_000
    with store.transaction() as tx:
        assert tx.outposts.marks("post-1") == {JOURNAL: 2}


def test_a_journal_that_was_begun_anew_is_another_one(store: Store) -> None:
    an_outpost(store)
    assert forwarded(store, a_record(store, 5, energy_wh=1_000)) == 5

    kept_no = forwarded(
        store, replace(a_record(store, 1, energy_wh=2_000), at=NOON + HOUR), journal_id=LATER_JOURNAL
    )

    assert kept_no == 1
    _, account_id = the_meter(store)
    assert the_view(store, account_id).holdings.billed_wh == 2_000


def test_a_cut_is_adopted_with_since_when_credit_had_ended(store: Store) -> None:
    an_outpost(store)
    cut = Cut(out_since=NOON + MINUTE, register_wh=500, ends_wh=0, balance_minor=-26, issued_at=NOON)

    forwarded(store, a_record(store, 1, energy_wh=500), a_record(store, 2, energy_wh=500, cut=cut))

    _, account_id = the_meter(store)
    snapshot = the_view(store, account_id).snapshot
    assert snapshot is not None
    assert (snapshot.wanted_closed, snapshot.relay) == (False, Relay.OPEN)
    assert snapshot.out_since == NOON + MINUTE


def test_a_record_of_a_meter_that_is_not_on_its_lines_is_told_and_not_taken(shelf: Shelf) -> None:
    store = shelf.store
    outpost = an_outpost(store)
    with store.transaction() as tx:
        entry = a_meter_entry(outpost.organisation_id, number=2, authority=PLATFORM)
        foreign_id = tx.add_meter(entry)  # on the bus
    record = replace(a_record(store, 1, energy_wh=1_000), meter_id=foreign_id)

    assert forwarded(store, record) == 1

    with store.transaction() as tx:
        assert tx.outposts.marks("post-1") == {JOURNAL: 1}
    assert shelf.count("reading") == 0
    assert shelf.alarm_times(kind="outpost_meter_foreign", subject="post-1") == 1


def test_what_a_clock_that_is_ahead_has_noted_is_told_and_not_believed(shelf: Shelf) -> None:
    an_outpost(shelf.store)
    ahead = replace(a_record(shelf.store, 1, energy_wh=1_000), at=NOON + 5 * HOUR)

    assert forwarded(shelf.store, ahead) == 1

    assert shelf.count("reading") == 0
    assert shelf.alarm_times(kind="outpost_clock_ahead", subject="post-1") == 1


def test_a_line_that_another_organisation_enters_for_itself_is_none_of_the_outposts(shelf: Shelf) -> None:
    store = shelf.store
    an_outpost(store)
    with store.transaction() as tx:
        [end] = [each for each in tx.endpoints() if each.endpoint_id == "post-1-1"]
        stranger = tx.add_organisation("somebody else")
        theirs = replace(end, endpoint_id="theirs", address="post-1/2", organisation_id=stranger)
        tx.add_endpoint(theirs)
        entry = replace(a_meter_entry(stranger, number=9, authority=PLATFORM), endpoint_id="theirs")
        meter_id = tx.add_meter(entry)
    record = Record(record_no=1, meter_id=meter_id, at=NOON, state=MeterState(energy_wh=9_000))

    forwarded(store, record)
    made = mandating.orders(store, wanted={"post-1": {1: end, 2: theirs}}, poll_ms=900_000, now=NOON)

    assert {each.line for each in made["post-1"].meters} == {1}
    assert shelf.alarm_times(kind="outpost_meter_foreign", subject="post-1") == 1

"""Seals in both stores: what a day's end has sealed is known for ever, and nothing slips in behind it."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from tests.contract.conftest import Shelf
from tests.unit.services.town import PLATFORM, Town, a_town, an_id

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.ledger import DELIVERED, REVENUE_ENERGY, Posting, PostingKind, transfer
from compuerta.domain.sealing import Anchor
from compuerta.services import booking, sealing
from compuerta.services.day_end import bounds_of
from compuerta.services.freeze_port import DayKey, DayStep, SiteDay
from compuerta.services.store_port import Store

DAY = date(2025, 3, 1)
ZONE = "Asia/Shanghai"
ONE = timedelta(days=1)


def a_street(store: Store, *, homes: int = 2) -> Town:
    return a_town(store, authorities=(PLATFORM,) * homes)


def at(day: date, hour: int = 12) -> datetime:
    """Return an hour of a day by the site's clock."""
    return bounds_of(day, zone=ZONE)[0] + timedelta(hours=hour)


def booked(
    store: Store, town: Town, name: str, *, when: datetime, home: int = 0, amount_minor: int = 100
) -> UUID:
    posting = Posting(
        account_id=town.homes[home].account_id,
        posting_id=an_id(name),
        kind=PostingKind.CHARGE,
        currency="CNY",
        lines=transfer(debit=DELIVERED, credit=REVENUE_ENERGY, amount_minor=amount_minor),
        booked_at=when,
        cause_id=an_id(f"cause of {name}"),
    )
    with store.transaction() as tx:
        booking.book(tx, [posting])
    return posting.posting_id


def ended(store: Store, town: Town, day: date = DAY) -> SiteDay:
    """End a day: seal it, and return how it stands."""
    starts_at, ends_at = bounds_of(day, zone=ZONE)
    begun = SiteDay(
        site_id=town.site_id, day=day, organisation_id=town.organisation_id, zone=ZONE, currency="CNY",
        starts_at=starts_at, ends_at=ends_at, step=DayStep.SEALING, due_at=ends_at,
    )  # fmt: skip
    with store.transaction() as tx:
        tx.freezes.put_days([begun])
    return sealing.seal_day(store, begun, ends_at + timedelta(minutes=3))


def last_anchor(store: Store, town: Town) -> Anchor:
    with store.transaction() as tx:
        anchor = tx.seals.last_anchor(town.site_id)
    assert anchor is not None
    return anchor


def test_a_days_postings_are_sealed_by_account_and_anchored_once(shelf: Shelf) -> None:
    town = a_street(shelf.store)
    booked(shelf.store, town, "a", when=at(DAY))
    booked(shelf.store, town, "b", when=at(DAY, 13))
    booked(shelf.store, town, "c", when=at(DAY), home=1)
    booked(shelf.store, town, "tomorrow", when=at(DAY + ONE))

    day = ended(shelf.store, town)

    anchor = last_anchor(shelf.store, town)
    assert day.step is DayStep.REPORTING
    assert (anchor.anchor_no, anchor.day, anchor.accounts, anchor.postings) == (1, DAY, 2, 3)
    assert shelf.count("seal") == 2


def test_both_stores_write_the_same_bytes(shelf: Shelf) -> None:
    """Whatever the columns hold: letters of any script, a reversal, many lines."""
    anchors = []
    for store in (shelf.store, MemoryStore()):
        town = a_street(store)
        first = booked(store, town, "a", when=at(DAY))
        odd = Posting(
            account_id=town.homes[0].account_id, posting_id=an_id("odd"), kind=PostingKind.REVERSAL,
            currency="CNY", lines=transfer(debit="cash:柜台,{\"", credit=DELIVERED, amount_minor=2**40),
            booked_at=at(DAY) + timedelta(microseconds=1), cause_id=an_id("odd cause"), reverses=first,
        )  # fmt: skip
        with store.transaction() as tx:
            booking.book(tx, [odd])
        ended(store, town)
        booked(store, town, "b", when=at(DAY + ONE))
        ended(store, town, DAY + ONE)
        anchors.append(last_anchor(store, town))

    assert anchors[0] == anchors[1]


def test_sealing_twice_is_nothing(shelf: Shelf) -> None:
    town = a_street(shelf.store)
    booked(shelf.store, town, "a", when=at(DAY))
    ended(shelf.store, town)
    before = last_anchor(shelf.store, town)

    ended(shelf.store, town)

    assert last_anchor(shelf.store, town) == before
    assert (shelf.count("seal"), shelf.count("anchor")) == (1, 1)


def test_a_sealing_that_was_killed_is_continued(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    town = a_street(shelf.store, homes=3)
    for home in range(3):
        booked(shelf.store, town, f"of {home}", when=at(DAY), home=home)
    monkeypatch.setattr(sealing, "ACCOUNTS_AT_ONCE_MAX", 1)

    with monkeypatch.context() as killed:
        killed.setattr(sealing, "BATCHES_MAX", 2)
        killed.setattr(sealing, "anchor", _die)
        with pytest.raises(KeyboardInterrupt):
            ended(shelf.store, town)
    half = shelf.count("seal")
    ended(shelf.store, town)

    anchor = last_anchor(shelf.store, town)
    assert half < 3
    assert (anchor.accounts, anchor.postings, shelf.count("seal")) == (3, 3, 3)


def test_a_day_whose_sealing_was_killed_is_anchored_before_its_morrow(shelf: Shelf) -> None:
    """Else its seals would have no anchor for ever, as forged ones have none."""
    town = a_street(shelf.store)
    booked(shelf.store, town, "a", when=at(DAY))
    booked(shelf.store, town, "b", when=at(DAY + ONE), home=1)
    with pytest.MonkeyPatch.context() as killed:
        killed.setattr(sealing, "anchor", _die)
        with pytest.raises(KeyboardInterrupt):
            ended(shelf.store, town)

    ended(shelf.store, town, DAY + ONE)
    ended(shelf.store, town)

    anchor = last_anchor(shelf.store, town)
    assert (anchor.anchor_no, anchor.day, anchor.postings) == (2, DAY + ONE, 1)
    assert (shelf.count("seal"), shelf.count("case_file")) == (2, 0)


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("earlier", [timedelta(minutes=5), timedelta(days=200)])
def test_what_is_booked_into_a_sealed_day_is_sealed_late_and_somebody_has_to_look(
    shelf: Shelf, earlier: timedelta
) -> None:
    town = a_street(shelf.store)
    booked(shelf.store, town, "a", when=at(DAY))
    ended(shelf.store, town)
    booked(shelf.store, town, "smuggled", when=at(DAY, 24) - earlier)

    ended(shelf.store, town, DAY + ONE)
    ended(shelf.store, town, DAY + ONE * 2)

    assert last_anchor(shelf.store, town).anchor_no == 3
    assert (shelf.count("seal"), shelf.count("case_file")) == (2, 1)


def test_what_was_known_late_is_not_late_twice(shelf: Shelf) -> None:
    town = a_street(shelf.store)
    booked(shelf.store, town, "just before midnight", when=at(DAY, 24) - timedelta(seconds=1))

    ended(shelf.store, town)
    ended(shelf.store, town, DAY + ONE)

    assert (shelf.count("seal"), shelf.count("case_file")) == (1, 0)


def test_a_day_that_comes_after_its_morrow_is_in_the_anchor_of_that(shelf: Shelf) -> None:
    town = a_street(shelf.store)
    booked(shelf.store, town, "a", when=at(DAY))

    ended(shelf.store, town, DAY + ONE)
    ended(shelf.store, town, DAY)

    anchor = last_anchor(shelf.store, town)
    assert (anchor.day, anchor.postings, shelf.count("anchor")) == (DAY + ONE, 1, 1)


def test_nothing_of_a_day_is_an_anchor_too(shelf: Shelf) -> None:
    town = a_street(shelf.store)

    ended(shelf.store, town)

    assert last_anchor(shelf.store, town).postings == 0


def test_an_anchor_is_told_in_letters_that_can_be_kept_elsewhere(shelf: Shelf) -> None:
    town = a_street(shelf.store)
    ended(shelf.store, town, DAY)
    ended(shelf.store, town, DAY + ONE * 2)

    with shelf.store.transaction() as tx:
        days = (DayKey(town.site_id, DAY + ONE * number) for number in range(4))
        texts = [sealing.anchor_text(tx, key) for key in days]

    assert [each[:3] for each in texts] == ["1: ", "2: ", "2: ", ""]
    assert len(texts[0]) == len("1: ") + 35


def test_a_year_of_another_site_is_left_alone(shelf: Shelf) -> None:
    town = a_street(shelf.store)
    with shelf.store.transaction() as tx:
        other = tx.add_site(organisation_id=town.organisation_id, name="other", zone=ZONE, currency="CNY")
    booked(shelf.store, town, "a", when=at(DAY))

    ended(shelf.store, replace(town, site_id=other))

    assert (shelf.count("seal"), shelf.count("anchor")) == (0, 1)

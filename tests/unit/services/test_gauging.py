"""What a gateway notices of its roads: counted by hours, and kept until it is written."""

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.services.town import HOUR, NOON, SECOND

from compuerta.domain.party import Bearer, RoadKind
from compuerta.domain.road import EndContact, RoadSign
from compuerta.domain.road_figures import Gauge, RoadHour
from compuerta.drivers.line import LineCounts
from compuerta.services.gauging import CONTACT_GRAIN, Gauges, RoadNews
from compuerta.services.records import Endpoint

MODULE = Endpoint(
    endpoint_id="module",
    organisation_id=1,
    road=RoadKind.NBIOT,
    bearer=Bearer.COAP,
    address="860000000000001",
    contact_s=600,
)


def test_what_lines_count_is_added_up_by_the_hour() -> None:
    gauges = Gauges()
    gauges.count("module", LineCounts(exchanges=2, done=1), at=NOON)
    gauges.count("module", LineCounts(exchanges=1, failed=1), at=NOON + 59 * SECOND)
    gauges.count("module", LineCounts(strays=7), at=NOON + HOUR)

    hours = gauges.take().hours

    assert hours == [
        RoadHour(endpoint_id="module", hour=NOON, exchanges=3, done=1, failed=1),
        RoadHour(endpoint_id="module", hour=NOON + HOUR, strays=7),
    ]
    assert gauges.take() == RoadNews(contacts=[], hours=[])


def test_figures_that_were_not_written_are_written_with_what_came_since() -> None:
    gauges = Gauges()
    gauges.count("module", LineCounts(exchanges=2), at=NOON)
    lost = gauges.take()
    gauges.count("module", LineCounts(exchanges=1), at=NOON + SECOND)

    gauges.keep(lost)

    assert [each.exchanges for each in gauges.take().hours] == [3]


def test_an_end_tells_its_signal_and_when_it_comes_again() -> None:
    gauges = Gauges()
    weak = RoadSign(at=NOON, rsrp_dbm=-120, next_contact_at=NOON + HOUR)
    gauges.signed(MODULE, weak)
    gauges.signed(MODULE, RoadSign(at=NOON + SECOND, rsrp_dbm=-100))

    news = gauges.take()

    (hour,) = news.hours
    assert hour.rsrp == Gauge(count=2, minimum=-120, total=-220, last=-100)
    assert hour.snr is None
    (contact,) = news.contacts
    # What it does not say itself is what was entered of it.
    assert (contact.at, contact.next_at) == (NOON + SECOND, NOON + SECOND + timedelta(seconds=600))


def test_that_an_end_was_heard_is_not_written_at_every_beat() -> None:
    gauges, written = Gauges(), []
    for number in range(12):
        gauges.met(MODULE, at=NOON + number * CONTACT_GRAIN / 4)
        written.append(len(gauges.take().contacts))

    assert sum(written) == 3


def test_why_an_end_is_gone_is_written_and_the_last_contact_stays() -> None:
    gauges = Gauges()
    gauges.met(MODULE, at=NOON)
    gauges.lost(MODULE, reason="asleep")
    gauges.take()
    gauges.lost(MODULE, reason="asleep")

    (contact,) = gauges.take().contacts

    assert contact == EndContact(endpoint_id="module", lost_reason="asleep")


def test_news_that_was_not_written_gives_way_to_newer_news() -> None:
    gauges = Gauges()
    gauges.met(MODULE, at=NOON)
    old = gauges.take()
    gauges.lost(MODULE, reason="dialed_again")

    gauges.keep(old)

    (contact,) = gauges.take().contacts
    assert (contact.lost_reason, contact.at) == ("dialed_again", NOON)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"rsrp_dbm": 2**62},
        {"snr_db": -(2**40)},
        {"csq": 99},  # 3GPP TS 27.007 8.5: not known
        {"csq": -1},
        {"cell": "a\x00b"},
        {"cell": "\ud800"},
        {"cell": "c" * 61},
    ],
)
def test_what_no_modem_can_tell_is_not_kept_of_a_sign(nonsense: dict[str, Any]) -> None:
    gauges = Gauges()

    gauges.signed(MODULE, RoadSign(at=NOON, **nonsense))

    news = gauges.take()
    assert news.hours == [RoadHour(endpoint_id="module", hour=NOON)]
    assert [each.sign for each in news.contacts] == [RoadSign(at=NOON)]

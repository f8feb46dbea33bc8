"""What an ingest takes of letters, and what it refuses: nobody speaks for another's meters."""

from pathlib import Path

import pytest

from compuerta.apps import ingest
from compuerta.apps.ingest import AHEAD_MS_MAX, Device, IngestsTooMany, Sorted, sort_letters, taken_slot
from compuerta.wire.pm.letters import Encoding, PushedReading, Readings, encode
from compuerta.wire.pm.topics import Direction, topic

NOW_MS = 1_800_000_000_000
DEVICES = {
    "mq-1": Device(tenant="1", meter_ids={"000000000001": 11, "000000000002": 12}),
    "mq-2": Device(tenant="2", meter_ids={"000000000003": 13}),
}


def a_reading(meter_no: str = "000000000001", *, ts_ms: int = NOW_MS) -> PushedReading:
    return PushedReading(meter_no=meter_no, ts_ms=ts_ms, energy_wh=5)


def sorted_of(*readings: PushedReading, tenant: str = "1", device: str = "mq-1") -> Sorted:
    letter = encode(Readings(seq=1, ts_ms=NOW_MS, readings=readings), Encoding.JSON)
    return sort_letters([(topic(tenant, device, Direction.UP), letter)], DEVICES, now_ms=NOW_MS)


def test_registers_of_the_devices_own_meters_are_taken() -> None:
    found = sorted_of(a_reading(), a_reading("000000000002"))

    assert found.rows == [(11, a_reading()), (12, a_reading("000000000002"))]
    assert found.refused == []


def test_a_device_does_not_speak_for_a_meter_that_is_not_behind_it() -> None:
    found = sorted_of(a_reading("000000000003"), a_reading())

    assert found.rows == [(11, a_reading())]
    assert found.refused == [("000000000003", "meter_not_behind_device")]


def test_a_register_from_the_future_is_not_taken() -> None:
    late = a_reading(ts_ms=NOW_MS + AHEAD_MS_MAX)
    ahead = a_reading(ts_ms=NOW_MS + AHEAD_MS_MAX + 1)

    assert sorted_of(late, ahead).rows == [(11, late)]
    assert sorted_of(ahead).refused == [("000000000001", "reading_ahead")]


@pytest.mark.parametrize(
    ("tenant", "device", "why"), [("2", "mq-1", "topic_refused"), ("1", "mq-3", "device_unknown")]
)
def test_strangers_are_told_by_name(tenant: str, device: str, why: str) -> None:
    found = sorted_of(a_reading(), tenant=tenant, device=device)

    assert found.rows == []
    assert found.refused == [(device, why)]


@pytest.mark.parametrize("encoding", list(Encoding))
def test_a_name_that_no_alarm_can_tell_makes_a_letter_malformed(encoding: Encoding) -> None:
    letter = encode(Readings(seq=1, ts_ms=NOW_MS, readings=(a_reading("1\0"),)), encoding)

    found = sort_letters([(topic("1", "mq-1", Direction.UP), letter)], DEVICES, now_ms=NOW_MS)

    assert found == Sorted(refused=[("mq-1", "letter_malformed")])


def test_what_is_no_letter_costs_itself_and_nothing_else() -> None:
    good = encode(Readings(seq=1, ts_ms=NOW_MS, readings=(a_reading(),)), Encoding.CBOR)
    mine = topic("1", "mq-1", Direction.UP)

    found = sort_letters([(mine, b"{"), ("pm/v1/x", good), (mine, good)], DEVICES, now_ms=NOW_MS)

    assert found.rows == [(11, a_reading())]
    assert found.refused == [("mq-1", "letter_malformed"), ("pm/v1/x", "topic_refused")]


def test_each_ingest_of_a_machine_has_a_place_that_its_successor_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "SLOTS_MAX", 2)
    first, second = taken_slot(tmp_path), taken_slot(tmp_path)
    with pytest.raises(IngestsTooMany):
        taken_slot(tmp_path)

    first.lock.close()
    third = taken_slot(tmp_path)

    assert (first.number, second.number, third.number) == (1, 2, 1)
    second.lock.close()
    third.lock.close()

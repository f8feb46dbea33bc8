"""What lies on an outpost's disk: files are read or refused by field; the journal survives, within bounds."""

import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.services.outpost_yard import a_yard
from tests.unit.services.town import NOON

from compuerta.adapters.links import outpost_text
from compuerta.adapters.links.outpost_client import Identity
from compuerta.adapters.links.outpost_text import TextMalformed
from compuerta.apps.files import write_whole
from compuerta.apps.outpost_files import (
    CONFIG_FILE,
    ORDERS_FILE,
    LinePlan,
    OutpostFileMalformed,
    OutpostPlan,
    orders_in,
    plan_in,
    write_plan,
)
from compuerta.apps.outpost_journal import Journal, JournalUnusable
from compuerta.drivers.abilities import MeterState, Relay
from compuerta.services.forwarding import Cut, Record

CUT = Cut(out_since=NOON, register_wh=1_000, ends_wh=990, balance_minor=-1, issued_at=NOON)


def a_plan(directory: Path) -> OutpostPlan:
    identity = Identity(
        outpost_id="post-1", key=bytes(range(32)), host="::1", port=7646, certificate="a certificate"
    )
    line = LinePlan(line=1, device="/dev/ttyUSB0", baud=2_400)
    return OutpostPlan(directory=directory, identity=identity, lines=(line,))


def a_record(number: int, *, cut: Cut | None = None) -> Record:
    state = MeterState(
        energy_wh=1_000 + number,
        rates_wh=(number, 1_000),
        relay=Relay.CLOSED if cut is None else Relay.OPEN,
        power_w=12,
        flags=frozenset({"cover_open"}),
        counts={"trip": 3},
    )
    return Record(
        record_no=0,
        meter_id=7,
        at=NOON + timedelta(minutes=number),
        state=state,
        asked_at=NOON,
        clock_off_s=-130,
        cut=cut,
    )


def test_a_plan_is_read_as_it_was_written_for_its_owner_alone(tmp_path: Path) -> None:
    path = write_plan(a_plan(tmp_path / "post"))

    assert plan_in(tmp_path / "post") == a_plan(tmp_path / "post")
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("platform", "no port"),
        ("platform", "host:0"),
        ("key", "not hexadecimal"),
        ("outpost_id", ""),
        ("certificate", None),
        ("lines", {}),
        ("lines", {"0": {"device": "/dev/x"}}),
        ("lines", {"33": {"device": "/dev/x"}}),
        ("lines", {"1": {"baud": 2_400}}),
        ("lines", {"1": {"device": "/dev/x", "baud": 2_401}}),
        ("lines", {"1": {"device": "/dev/x", "parity": "mark"}}),
        ("lines", {"1": "/dev/x"}),
    ],
)
def test_a_plan_that_cannot_be_used_is_refused_by_field(tmp_path: Path, field: str, value: object) -> None:
    path = write_plan(a_plan(tmp_path))
    tree = {**json.loads(path.read_text()), field: value}
    path.write_text(json.dumps(tree))

    with pytest.raises(OutpostFileMalformed) as refused:
        plan_in(tmp_path)

    assert refused.value.field.startswith(field)


def test_a_plan_that_is_not_there_or_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutpostFileMalformed):
        plan_in(tmp_path)
    (tmp_path / CONFIG_FILE).write_text("{")
    with pytest.raises(OutpostFileMalformed):
        plan_in(tmp_path)


def test_orders_come_back_as_they_were(tmp_path: Path) -> None:
    orders = a_yard(powers_w=(100, 200)).orders()

    assert orders_in(tmp_path) is None
    write_whole(tmp_path / ORDERS_FILE, outpost_text.orders_text(orders))
    read = orders_in(tmp_path)

    assert read is not None
    assert outpost_text.orders_text(read) == outpost_text.orders_text(orders)
    assert read.meters == orders.meters
    assert read.mandates.keys() == orders.mandates.keys()


@given(text=st.binary(max_size=200) | st.sampled_from([b'{"format":1}', b'{"format":2}', b"[]", b"1"]))
def test_any_text_is_orders_or_refused(text: bytes) -> None:
    for read in (outpost_text.orders_from, outpost_text.records_from, outpost_text.expanded):
        with pytest.raises(TextMalformed):
            read(text)


def test_a_text_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outpost_text, "TEXT_BYTES_MAX", 1_000)

    assert outpost_text.expanded(outpost_text.squeezed(bytes(1_000))) == bytes(1_000)
    with pytest.raises(TextMalformed):
        outpost_text.expanded(outpost_text.squeezed(bytes(1_001)))


def test_a_journal_survives_and_gives_each_record_a_number_of_its_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.note([a_record(1), a_record(2, cut=CUT)])
    journal.shut()

    again = Journal(tmp_path / "journal")
    first, second = again.next_records()
    again.forget(2)
    again.note([a_record(3)])
    (third,) = again.next_records()

    assert again.journal_id == journal.journal_id
    assert (first.record_no, second.record_no, third.record_no) == (1, 2, 3)
    assert second.cut == CUT
    assert (third.state, third.clock_off_s, third.asked_at) == (a_record(3).state, -130, NOON)
    again.shut()


def test_a_full_journal_lets_the_oldest_readings_go_and_never_a_cut(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", kept_max=4)

    journal.note([a_record(1, cut=CUT)])
    journal.note([a_record(number) for number in range(2, 10)])

    assert [each.record_no for each in journal.next_records()] == [1, 7, 8, 9]
    journal.shut()


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"not a journal at all, and longer than a header" * 10)

    with pytest.raises(JournalUnusable):
        Journal(tmp_path / "journal")


def test_a_journal_that_was_lost_is_begun_anew_under_another_name(tmp_path: Path) -> None:
    first, second = Journal(tmp_path / "one"), Journal(tmp_path / "two")

    assert first.journal_id != second.journal_id
    first.shut()
    second.shut()


@pytest.mark.parametrize("monstrous", [b"Infinity", b"NaN", b"1e400", b"9223372036854775808"])
def test_a_number_that_no_register_shows_makes_records_malformed(monstrous: bytes) -> None:
    text = outpost_text.records_text(UUID(int=1), [a_record(1)])

    with pytest.raises(TextMalformed):
        outpost_text.records_from(text.replace(b'"energy_wh":1001', b'"energy_wh":' + monstrous))

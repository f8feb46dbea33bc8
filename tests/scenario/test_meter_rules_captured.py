"""Captured requests get the answers that the captured meters gave, where the rules say so."""

import json
from pathlib import Path
from random import Random

import pytest

from compuerta.drivers.abilities import Relay
from compuerta.drivers.mac import SoftEsam
from compuerta.drivers.model import RechargeLayout
from compuerta.virtual.meter import MeterSetup, VirtualMeter
from compuerta.virtual.meter.clock import ms_from_civil
from compuerta.wire.dlt645 import Deframer, ReadRegister, RegisterAnswer, encode, parse_answer
from compuerta.wire.dlt645.fields import civil_time

VECTORS = Path("../shared/vectors/dlt645.json")

pytestmark = pytest.mark.outside
if not VECTORS.exists():
    pytest.skip("captured frames are not here: ../shared/vectors/dlt645.json", allow_module_level=True)


def captured(vector_id: str) -> bytes:
    found = json.loads(VECTORS.read_text(encoding="utf-8"))
    vectors = found["vectors"] if isinstance(found, dict) else found
    return next(bytes.fromhex(vector["hex"]) for vector in vectors if vector["id"] == vector_id)


def a_meter(
    meter_no: str,
    *,
    at: tuple[int, ...],
    layout: RechargeLayout = RechargeLayout.STANDARD,
    balance_minor: int = 100,
) -> VirtualMeter:
    setup = MeterSetup(
        meter_no=meter_no,
        layout=layout,
        balance_minor=balance_minor,
        civil_offset_ms=ms_from_civil(civil_time(*at)),
    )
    return VirtualMeter(setup, now_ms=0, esam=SoftEsam(b"a key for captures"), chance=Random(1))


def frames_of(octets: bytes) -> list[object]:
    return list(Deframer().receive(octets, now_ms=0))


@pytest.mark.parametrize(
    ("vector_id", "meter_no", "at"),
    [
        ("R09", "558890213594", (2021, 7, 7, 18, 35, 0)),
        ("R11", "558890213594", (2021, 7, 9, 10, 0, 0)),
        ("R13", "111111111111", (2018, 5, 12, 15, 30, 0)),
    ],
)
def test_a_captured_trip_is_accepted_while_it_is_valid(
    vector_id: str, meter_no: str, at: tuple[int, ...]
) -> None:
    meter = a_meter(meter_no, at=at)

    answer = meter.receive(captured(vector_id), now_ms=0)

    accepted = captured("R14" if meter_no == "111111111111" else "R12")
    assert frames_of(answer) == frames_of(accepted)
    assert meter.core.relay is Relay.OPEN


def test_a_captured_trip_is_refused_a_second_after_its_validity() -> None:
    meter = a_meter("558890213594", at=(2021, 7, 7, 18, 40, 3))

    (answer,) = Deframer().receive(meter.receive(captured("R09"), now_ms=0), now_ms=0)

    assert answer.control == 0xDC
    assert meter.core.relay is Relay.CLOSED


def test_a_captured_close_closes_what_the_captured_trip_opened() -> None:
    meter = a_meter("558890213594", at=(2021, 7, 7, 18, 35, 0))
    meter.receive(captured("R09"), now_ms=0)

    answer = meter.receive(captured("R10"), now_ms=0)

    assert frames_of(answer) == frames_of(captured("R12"))
    assert meter.core.relay is Relay.CLOSED


@pytest.mark.parametrize(("asked", "answered"), [("R33", "R34"), ("R35", "R36")])
def test_the_vendors_meter_refuses_what_the_captured_one_refused(asked: str, answered: str) -> None:
    meter = a_meter("260305510012", at=(2026, 11, 22, 12, 0, 0), layout=RechargeLayout.VENDOR)

    assert frames_of(meter.receive(captured(asked), now_ms=0)) == frames_of(captured(answered))


def test_the_vendors_captured_recharge_and_refund_move_the_money() -> None:
    meter = a_meter(
        "260305510012", at=(2026, 11, 22, 12, 0, 0), layout=RechargeLayout.VENDOR, balance_minor=0
    )

    (recharged,) = Deframer().receive(meter.receive(captured("R37"), now_ms=0), now_ms=0)
    assert (recharged.control, recharged.data) == (0x83, bytes.fromhex("ff020107"))
    assert meter.core.balance_minor == 10_000

    (refunded,) = Deframer().receive(meter.receive(captured("R38"), now_ms=0), now_ms=0)
    assert (refunded.control, refunded.data) == (0x83, bytes.fromhex("ff080107"))
    assert meter.core.balance_minor == 9_000


def test_the_vendors_bulk_block_is_as_long_as_the_captured_one() -> None:
    meter = a_meter("260305510012", at=(2026, 11, 22, 12, 0, 0), layout=RechargeLayout.VENDOR)
    request = encode(ReadRegister(di=0x028011FF).to_frame("260305510012"))

    (answer,) = Deframer().receive(meter.receive(request, now_ms=0), now_ms=0)
    (real,) = Deframer().receive(captured("R45"), now_ms=0)

    parsed = parse_answer(answer)
    assert isinstance(parsed, RegisterAnswer)
    assert len(answer.data) == len(real.data)
    assert parsed.payload[8:10] == bytes.fromhex("0022")  # 220.0 V, where the captured one has 244.4 V

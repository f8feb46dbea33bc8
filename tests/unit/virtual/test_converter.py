"""A fleet's converter: cut, hung up on, taken by another master, and named in the file."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime

import pytest

from compuerta.virtual.fleet import World
from compuerta.virtual.fleet.config import roads_from
from compuerta.virtual.fleet.converter import Converter
from compuerta.virtual.fleet.fields import FieldMalformed, Json
from compuerta.wire import modbus

PATIENCE_S = 5.0
READ = modbus.encode(modbus.Frame(17, modbus.ReadRegisters(start=0x12, quantity=1).to_pdu()))
CLOSED = modbus.encode(modbus.Frame(17, modbus.Registers(octets=b"\x00\x01").to_pdu()))
METER: dict[str, Json] = {
    "meter_no": "260700000017",
    "credit_authority": "platform",
    "unit_no": 17,
    "converter": "house-2",
}


def a_converter(**plan: Json) -> Converter:
    config: dict[str, Json] = {
        "converters": {"house-2": {"answer_delay_ms_max": 0, **plan}},
        "meters": [METER],
    }
    road = roads_from(config, world=World(started_at=datetime(2026, 11, 23, tzinfo=UTC)))["house-2"]
    assert isinstance(road, Converter)
    return road


def play(scene: Coroutine[None, None, None]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene

    asyncio.run(in_time())


async def a_few_turns() -> None:
    """Let both ends of what was closed come to rest."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_converter_that_is_cut_is_silent_and_comes_back() -> None:
    converter = a_converter()

    assert [octets for _, octets in converter.exchange(READ)] == [CLOSED]
    converter.set_cut(True)
    assert converter.exchange(READ) == []
    converter.set_cut(False)
    assert [octets for _, octets in converter.exchange(READ)] == [CLOSED]


def test_a_new_master_takes_the_converter_and_the_old_one_is_hung_up_on() -> None:
    async def scene() -> None:
        converter = a_converter()
        converter.start()
        port = await converter.port()
        old, old_writer = await asyncio.open_connection("127.0.0.1", port)
        old_writer.write(READ)
        first = await old.readexactly(len(CLOSED))

        new, new_writer = await asyncio.open_connection("127.0.0.1", port)
        new_writer.write(READ)
        second = await new.readexactly(len(CLOSED))
        left = await old.read()

        assert (first, second, left) == (CLOSED, CLOSED, b"")
        assert converter.state() == {"kind": "converter", "connected": True, "meters": ["260700000017"]}
        for writer in (old_writer, new_writer):
            writer.close()
        await converter.shut()
        await a_few_turns()

    play(scene())


@pytest.mark.parametrize(
    ("plan", "meter"),
    [({"prot": 1}, METER), ({}, {**METER, "unit": 17}), ({}, {**METER, "converter": "nowhere"})],
)
def test_what_a_file_says_wrongly_is_refused(plan: dict[str, Json], meter: dict[str, Json]) -> None:
    config: dict[str, Json] = {"converters": {"house-2": plan}, "meters": [meter]}

    with pytest.raises(FieldMalformed):
        roads_from(config, world=World(started_at=datetime(2026, 11, 23, tzinfo=UTC)))

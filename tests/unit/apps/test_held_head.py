"""Ends that we open: each is held once, as it is entered, and let go of when it is no more."""

import asyncio
from dataclasses import replace

from compuerta.apps.roadheads.holding import HeldHead
from compuerta.domain.party import Bearer, RoadKind
from compuerta.services.records import Endpoint

BUS = Endpoint(
    endpoint_id="bus",
    organisation_id=1,
    road=RoadKind.RS485,
    bearer=Bearer.SERIAL,
    address="/dev/one",
    baud=2_400,
)
CELLAR = replace(BUS, endpoint_id="cellar", address="/dev/two")


def test_an_end_is_held_as_it_is_entered_and_let_go_of_when_it_is_no_more() -> None:
    begun: list[Endpoint] = []
    held: list[tuple[str, int | None]] = []

    async def hold(end: Endpoint) -> None:
        begun.append(end)
        held.append((end.address, end.baud))
        try:
            await asyncio.Event().wait()
        finally:
            held.remove((end.address, end.baud))

    async def turns() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def scene() -> None:
        head = HeldHead(Bearer.SERIAL, hold)
        running = asyncio.create_task(head.run())

        head.learn([BUS, CELLAR])
        await turns()
        assert sorted(held) == [("/dev/one", 2_400), ("/dev/two", 2_400)]

        head.learn([replace(BUS, baud=9_600, cell="north")])
        await turns()
        assert held == [("/dev/one", 9_600)]

        head.learn([replace(BUS, baud=9_600, cell="south")])
        await turns()
        assert len(begun) == 3

        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert held == []

    asyncio.run(scene())

"""The gateway's port for who dials in: only who is entered gets a road."""

import asyncio

from tests.contract.coap_road import PATIENCE_S, Keeper, an_end

from compuerta.apps.roadheads.dial_in import DialInHead
from compuerta.apps.stage import free_ports

IMEI, STRANGER = "490154203237518", "490154203237526"


def test_who_is_entered_gets_a_road_and_who_is_not_is_told() -> None:
    async def scene() -> None:
        [port], keeper = free_ports(0), Keeper()
        head = DialInHead(keeper, host="127.0.0.1", port=port)
        head.learn([an_end(IMEI)])
        await head.open()
        try:
            async with asyncio.timeout(PATIENCE_S):
                reader, stranger = await asyncio.open_connection("127.0.0.1", port)
                stranger.write(b"CPT1:" + STRANGER.encode())
                await asyncio.gather(reader.read(), return_exceptions=True)  # until it is hung up on
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"CPT1:" + IMEI.encode())
                endpoint_id, _ = await keeper.links.get()

            assert endpoint_id == f"end-of-{IMEI}"
            assert keeper.links.empty()
            assert [each.registration for each in head.strangers()] == [STRANGER]
            stranger.close()
            writer.close()
        finally:
            await head.shut()

    asyncio.run(scene())

"""Another implementation of CoAP on the other side: aiocoap as the device, and aiocoap as the platform."""

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiocoap
import aiocoap.resource
import pytest
from tests.contract import coap_road
from tests.contract.test_link import Ear

from compuerta.wire import coap
from compuerta.wire.coap.session import BODY_BYTES_MAX

FRAME = bytes.fromhex("68943521908855689106333435357B555E16")
PATIENCE_S = 5.0


def play(scene: Coroutine[None, None, None]) -> None:
    async def patiently() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene

    asyncio.run(patiently())


class Says(aiocoap.resource.ObservableResource):
    """/19/0/0 of a device that is aiocoap's."""

    def __init__(self) -> None:
        super().__init__()
        self.said = b""
        self.is_watched = asyncio.Event()

    def update_observation_count(self, newcount: int) -> None:
        if newcount:
            self.is_watched.set()

    def say(self, frame: bytes) -> None:
        self.said = frame
        self.updated_state()

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=self.said, content_format=42)


class IsTold(aiocoap.resource.Resource):
    """/19/1/0 of a device that is aiocoap's."""

    def __init__(self) -> None:
        super().__init__()
        self.told: asyncio.Queue[bytes] = asyncio.Queue()

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        self.told.put_nowait(request.payload)
        return aiocoap.Message(code=aiocoap.CHANGED)


class Rd(aiocoap.resource.Resource):
    """/rd of a platform that is aiocoap's."""

    def __init__(self) -> None:
        super().__init__()
        self.registered: asyncio.Queue[aiocoap.Message] = asyncio.Queue()

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        self.registered.put_nowait(request)
        return aiocoap.Message(code=aiocoap.CREATED, location_path=["rd", "7"])


@asynccontextmanager
async def a_peer(site: aiocoap.resource.Site, *, port: int = 0) -> AsyncIterator[Any]:
    context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", port), transports=["udp6"])
    try:
        yield context
    finally:
        await context.shutdown()


def a_free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port


def a_site(**resources: aiocoap.resource.Resource) -> aiocoap.resource.Site:
    site = aiocoap.resource.Site()
    for path, resource in resources.items():
        site.add_resource(path.strip("_").split("_"), resource)
    return site


def registration(port: int, *, padding: int = 0) -> aiocoap.Message:
    links = b"</19/0>,</19/1>" + b",</1/0>" * padding
    uri = f"coap://127.0.0.1:{port}/rd?ep={coap_road.NAME}&lt=60&b=U&lwm2m=1.0"
    return aiocoap.Message(code=aiocoap.POST, uri=uri, payload=links, content_format=40)


@pytest.mark.parametrize("padding", [0, 300], ids=["whole", "in blocks"])
def test_a_device_of_theirs_registers_is_told_and_tells(padding: int) -> None:
    async def scene() -> None:
        says, is_told = Says(), IsTold()
        async with (
            coap_road.a_house(coap_road.an_end()) as house,
            a_peer(a_site(_19_0_0=says, _19_1_0=is_told)) as device,
        ):
            answer = await device.request(registration(house.port_no, padding=padding)).response
            link = await house.link()
            ear = Ear()
            link.attach(ear)
            link.write(FRAME)
            heard_there = await is_told.told.get()
            says.say(FRAME + FRAME)
            await ear.until(lambda ear: bool(ear.received))

            assert answer.code == aiocoap.CREATED
            assert answer.opt.location_path[0] == "rd"
            assert heard_there == FRAME
            assert bytes(ear.received) == FRAME + FRAME

    play(scene())


def test_a_device_of_theirs_that_sends_blocks_without_end_is_refused() -> None:
    async def scene() -> None:
        async with coap_road.a_house(coap_road.an_end()) as house, a_peer(a_site()) as device:
            answer = await device.request(registration(house.port_no, padding=BODY_BYTES_MAX)).response

            assert answer.code == aiocoap.REQUEST_ENTITY_TOO_LARGE
            assert house.links.empty()

    play(scene())


def test_a_platform_of_theirs_registers_watches_and_reads_our_device() -> None:
    async def scene() -> None:
        rd, port = Rd(), a_free_port()
        async with coap_road.a_house() as house, a_peer(a_site(_rd=rd), port=port) as platform:
            house.port_no = port
            async with coap_road.a_radio(house) as radio:
                radio.contact()
                registered = await rd.registered.get()
                await radio.until(lambda: radio.device.is_registered)
                at = registered.remote.uri_base
                told = await platform.request(put(f"{at}/19/1/0")).response
                watching = platform.request(get(f"{at}/19/0/0", observe=0))
                await watching.response
                notices = aiter(watching.observation)
                radio.tell(FRAME)
                notice = await anext(notices)
                energy = await platform.request(get(f"{at}/3331/0", accept=110)).response

                assert "ep=nb-1" in registered.opt.uri_query
                assert told.code == aiocoap.CHANGED
                assert radio.told == FRAME
                assert notice.payload == FRAME
                assert energy.payload == b'[{"n":"/3331/0/5805","v":4711}]'
                watching.observation.cancel()

    play(scene())


def test_our_session_puts_together_what_theirs_sends_in_blocks() -> None:
    body = bytes(range(256)) * 12

    class Long(aiocoap.resource.Resource):
        async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
            return aiocoap.Message(payload=body, content_format=42)

    async def scene() -> None:
        port = a_free_port()
        async with a_peer(a_site(_long=Long()), port=port):
            session = coap.CoapSession(salt=b"salt")
            heard: asyncio.Queue[bytes] = asyncio.Queue()

            class Socket(asyncio.DatagramProtocol):
                def datagram_received(self, data: bytes, addr: object) -> None:
                    heard.put_nowait(data)

            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(Socket, remote_addr=("127.0.0.1", port))
            session.send(coap.Request(code=coap.Code.GET, path=("long",)), now_ms=0)
            events: list[coap.Event] = []
            while not events:
                for datagram in session.take_datagrams():
                    transport.sendto(datagram)
                events = session.receive(await heard.get(), now_ms=0)
            transport.close()

            [answered] = events
            assert isinstance(answered, coap.Answered)
            assert answered.payload == body

    play(scene())


def put(uri: str) -> aiocoap.Message:
    return aiocoap.Message(code=aiocoap.PUT, uri=uri, payload=FRAME, content_format=42)


def get(uri: str, **options: int) -> aiocoap.Message:
    return aiocoap.Message(code=aiocoap.GET, uri=uri, **options)

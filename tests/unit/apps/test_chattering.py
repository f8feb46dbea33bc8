"""A gateway and ends that chatter: who comes by itself too often, or talks without end, is left outside."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.contract.coap_road import an_end

from compuerta.apps import gateway as gateway_room
from compuerta.apps import wiring
from compuerta.apps.config import settings
from compuerta.apps.gateway import Gateway
from compuerta.domain.party import Bearer
from compuerta.services.link_port import Listener
from compuerta.services.quarantine import OCTETS_MAX, OPENINGS_MAX
from compuerta.services.records import Endpoint

MODULE = replace(an_end("module"), bearer=Bearer.DIAL_IN)
BUS = replace(an_end("bus"), bearer=Bearer.DIAL_OUT)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class Link:
    """A link that says what it is told to say."""

    listener: Listener | None = None
    is_shut: bool = False

    def attach(self, listener: Listener) -> None:
        self.listener = listener

    def write(self, data: bytes) -> None:
        """Nobody is there to hear it."""

    def shut(self) -> None:
        self.is_shut = True


def a_gateway(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Return one that knows a module and a bus, has no port open and no database to write to."""
    monkeypatch.setattr(gateway_room, "heads_of", lambda *_: [])
    monkeypatch.setattr(wiring, "now", lambda: NOON)
    database_url = "postgresql://nobody@127.0.0.1:1/none"
    gateway = Gateway(settings({"COMPUERTA_DATA": str(directory), "DATABASE_URL": database_url}))
    gateway._registry.fill([MODULE, BUS], [], {})
    return gateway


@pytest.mark.parametrize(("end", "is_shut"), [(MODULE, True), (BUS, False)])
def test_an_end_that_dials_over_and_over_gets_no_road(
    end: Endpoint, is_shut: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        gateway = a_gateway(tmp_path, monkeypatch)
        links = [Link() for _ in range(OPENINGS_MAX + 1)]
        for link in links:
            gateway.opened(end.endpoint_id, link)

        assert not any(link.is_shut for link in links[:-1])
        assert links[-1].is_shut is is_shut
        assert (links[-1].listener is None) is is_shut
        await gateway._shut()

    asyncio.run(scene())


@pytest.mark.parametrize(("end", "is_shut"), [(MODULE, True), (BUS, False)])
def test_an_end_that_talks_without_end_loses_its_road(
    end: Endpoint, is_shut: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        gateway, link = a_gateway(tmp_path, monkeypatch), Link()
        gateway.opened(end.endpoint_id, link)
        assert link.listener is not None

        link.listener.heard(bytes(OCTETS_MAX))
        gateway._gauge()
        within = link.is_shut
        link.listener.heard(b"\0")
        gateway._gauge()

        assert not within
        assert link.is_shut is is_shut
        assert (end.endpoint_id in gateway._roads) is not is_shut
        await gateway._shut()

    asyncio.run(scene())

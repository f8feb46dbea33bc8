"""The road outwards: nobody makes us knock inside, whatever their name leads to, and nobody is followed."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

import httpx
import pytest

from compuerta.adapters.notify import outward
from compuerta.adapters.notify.outward import Said

Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


def posted(
    url: str, *, leads_to: list[str] | None, answer: Answer | None = None, inside: bool = False
) -> tuple[Said, list[httpx.Request]]:
    """Post to an address whose name leads to these; returns what is said, and what went out."""
    sent: list[httpx.Request] = []

    async def transport(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return await answer(request) if answer is not None else httpx.Response(204)

    async def run() -> Said:
        async def resolved(host: str, port: int, **_: Any) -> list[Any]:
            if leads_to is None:
                raise socket.gaierror
            return [(0, 0, 0, "", (address, port)) for address in leads_to]

        asyncio.get_running_loop().getaddrinfo = resolved  # type: ignore[method-assign, assignment]
        async with httpx.AsyncClient(transport=httpx.MockTransport(transport)) as client:
            return await outward.post(url, b"{}", {"x": "y"}, client=client, inside=inside)

    return asyncio.run(run()), sent


def test_what_is_sent_goes_to_the_address_that_was_looked_at_under_its_name() -> None:
    said, (request,) = posted("https://partner.example:8443/hook?a=1", leads_to=["93.184.216.34"])

    assert said.was_heard
    assert request.url == "https://93.184.216.34:8443/hook?a=1"
    assert request.headers["host"] == "partner.example:8443"
    assert request.extensions["sni_hostname"] == "partner.example"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::1",
        "2002:7f00:1::1", "2001:0:7f00:1::1", "2001:db8::1", "192.0.2.1",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_knocked_at(address: str) -> None:
    said, sent = posted("https://partner.example/", leads_to=[address])

    assert not said.was_heard
    assert "inside" in said.detail
    assert sent == []


def test_one_address_inside_is_enough_to_stay_away() -> None:
    said, sent = posted("https://partner.example/", leads_to=["93.184.216.34", "10.0.0.1"])

    assert not said.was_heard
    assert sent == []


def test_outside_nothing_is_sent_without_tls() -> None:
    said, sent = posted("http://partner.example/", leads_to=["93.184.216.34"])

    assert not said.was_heard
    assert sent == []


def test_where_the_installation_says_so_its_own_network_is_reached() -> None:
    said, (request,) = posted("http://localhost:9000/hook", leads_to=["127.0.0.1"], inside=True)

    assert said.was_heard
    assert request.url == "http://127.0.0.1:9000/hook"


def test_a_name_that_leads_nowhere_is_told_so() -> None:
    said, sent = posted("https://partner.example/", leads_to=None)

    assert said == Said(status=None, detail="the name leads nowhere")
    assert sent == []


def test_nobody_is_followed_to_another_address() -> None:
    async def elsewhere(_: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"location": "http://169.254.169.254/"})

    said, sent = posted("https://partner.example/", leads_to=["93.184.216.34"], answer=elsewhere)

    assert not said.was_heard
    assert said.detail == "HTTP 302"
    assert len(sent) == 1


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), OSError(), ValueError()])
def test_a_road_that_breaks_is_no_answer(error: Exception) -> None:
    async def broken(_: httpx.Request) -> httpx.Response:
        raise error

    said, _ = posted("https://partner.example/", leads_to=["93.184.216.34"], answer=broken)

    assert said.status is None
    assert said.detail.startswith("no answer")


def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outward, "ANSWER_S_MAX", 0.01)

    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    said, _ = posted("https://partner.example/", leads_to=["93.184.216.34"], answer=silent)

    assert "within" in said.detail


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"])
def test_an_address_of_the_public_network_is_outside(address: str) -> None:
    assert outward.is_outside(ip_address(address))


@pytest.mark.parametrize("address", ["fec0::1", "feff::1", "192.88.99.1", "192.0.0.8", "::ffff:192.0.0.8"])
def test_an_address_of_old_is_not(address: str) -> None:
    assert not outward.is_outside(ip_address(address))

"""A road outwards, and nowhere else: what a partner's address leads to is looked at before anything is sent.

Whoever registers a webhook chooses where we knock. A name may lead to the machine that we run on, to our own
network, or to the address that clouds keep their keys at; and it may lead elsewhere the next time it is asked
for. So a name is resolved once, every address that it has must lie outside, and the connection goes to one of
those and to no other; TLS still asks for the name. Nobody is followed to another address.
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

import httpx

ANSWER_S_MAX = 10.0  # to resolve, connect, send and be answered
# Addresses that stand for an IPv4 address inside them: by them, one would get in by another name.
_WITHIN: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("2002::/16"))
# Addresses of old: of a site, of relays into 6to4, of what providers keep between themselves and a house.
_OLD: Final = (ip_network("fec0::/10"), ip_network("192.88.99.0/24"), ip_network("192.0.0.0/24"))
_Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came of knocking: a status, or why there is none."""

    status: int | None
    detail: str

    @property
    def was_heard(self) -> bool:
        """Whether it was taken."""
        return self.status is not None and 200 <= self.status < 300


async def post(
    url: str, body: bytes, headers: Mapping[str, str], *, client: httpx.AsyncClient, inside: bool
) -> Said:
    """Send a body to an address outside; whatever happens becomes what is said of it, in bounded time.

    Of an answer only the status is read: it may be endless, and it may not be for our eyes.
    """
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            return await _post(url, body, headers, client=client, inside=inside)
    except TimeoutError:
        return Said(status=None, detail=f"no answer within {ANSWER_S_MAX:.0f} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, ValueError) as error:
        return Said(status=None, detail=f"no answer: {type(error).__name__}")


async def _post(
    url: str, body: bytes, headers: Mapping[str, str], *, client: httpx.AsyncClient, inside: bool
) -> Said:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = await _resolved(host, port)
    if not addresses:
        return Said(status=None, detail="the name leads nowhere")
    if not inside and (parts.scheme != "https" or not all(map(is_outside, addresses))):
        return Said(status=None, detail="the address lies inside a network, and is not knocked at")
    pinned = httpx.URL(url).copy_with(host=str(addresses[0]), port=port)
    named = {**headers, "host": host if parts.port is None else f"{host}:{port}"}
    request = client.build_request(
        "POST", pinned, content=body, headers=named, extensions={"sni_hostname": host}
    )
    response = await client.send(request, stream=True, follow_redirects=False)
    try:
        return Said(status=response.status_code, detail=f"HTTP {response.status_code}")
    finally:
        await response.aclose()


async def _resolved(host: str, port: int) -> list[_Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    return [ip_address(each[4][0]) for each in found]


def is_outside(address: _Address) -> bool:
    """Tell whether an address is one of the public network, for one receiver, by no other name."""
    if any(address in network for network in _OLD):
        return False
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_outside(address.ipv4_mapped)
        if any(address in network for network in _WITHIN) or address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved

"""HTTP with a network operator's platform: its commands interface, and the port that it pushes to."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from compuerta.adapters.links.operator_roads import OperatorAway, OperatorRoads
from compuerta.adapters.links.roadhead import PortNotListened, Refusals
from compuerta.domain.errors import Refused
from compuerta.wire.northbound.door import HttpAsked, HttpDoor
from compuerta.wire.northbound.letters import (
    SEAL_HEADER,
    Command,
    LetterMalformed,
    Standing,
    command_to,
    is_sealed,
    push_from,
    seal,
    standing_from,
)

ANSWER_S_MAX: Final = 5.0  # of the platform
PUSH_S_MAX: Final = 10.0  # for one push to be whole
CALLERS_MAX: Final = 200
READ_BYTES: Final = 16_384


class OperatorUrlMalformed(Refused):
    """An address of an operator's platform that cannot be used; it holds a secret and is not repeated."""

    def __init__(self) -> None:
        super().__init__("write https://application:secret@host:port/path")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAccount:
    """Our contract with an operator's platform."""

    base_url: str
    application: str
    secret: bytes


def account_at(url: str) -> OperatorAccount:
    """Read `https://application:secret@host:port/path`; refuses anything else."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not (parts.hostname and parts.username and parts.password):
        raise OperatorUrlMalformed
    try:
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError as error:
        raise OperatorUrlMalformed from error
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return OperatorAccount(
        base_url=f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}",
        application=unquote(parts.username),
        secret=unquote(parts.password).encode(),
    )


class OperatorApi:
    """This will hand commands over, and take them back; see `Commands`."""

    def __init__(self, account: OperatorAccount) -> None:
        self._account = account
        self._client = httpx.AsyncClient(timeout=ANSWER_S_MAX)

    async def send(self, command: Command) -> Standing:
        """See `Commands`."""
        answer = await self._ask("POST", "/deviceCommands", command_to(command))
        try:
            return standing_from(answer)
        except LetterMalformed as error:
            raise OperatorAway("an answer that cannot be read") from error

    async def cancel(self, standing: Standing) -> None:
        """See `Commands`."""
        await self._ask("PUT", f"/deviceCommands/{standing.command_id}", b'{"status":"CANCELED"}')

    async def shut(self) -> None:
        """Let go of its connections."""
        await self._client.aclose()

    async def _ask(self, method: str, path: str, body: bytes) -> bytes:
        at_s = int(datetime.now(UTC).timestamp())
        headers = {
            "content-type": "application/json",
            "app_key": self._account.application,
            SEAL_HEADER: seal(body, at_s=at_s, secret=self._account.secret),
        }
        try:
            answer = await self._client.request(
                method, self._account.base_url + path, content=body, headers=headers
            )
        except httpx.HTTPError as error:
            raise OperatorAway(type(error).__name__) from error
        if not answer.is_success and answer.status_code != httpx.codes.NOT_FOUND:
            raise OperatorAway(f"status {answer.status_code}")
        return answer.content


class PushPort:
    """This will listen for what the platform pushes, and let in only what bears its seal."""

    def __init__(self, roads: OperatorRoads, refusals: Refusals, *, secret: bytes) -> None:
        self._roads = roads
        self._refusals = refusals
        self._secret = secret
        self._callers = 0
        self._server: asyncio.Server | None = None

    async def open(self, *, host: str, port: int) -> int:
        """Begin to listen, and return the port; raises `PortNotListened`."""
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=READ_BYTES)
        except OSError as error:
            raise PortNotListened(host=host, port=port, reason=error.strerror or str(error)) from error
        bound_port: int = self._server.sockets[0].getsockname()[1]
        return bound_port

    async def shut(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._callers += 1
        try:
            if self._callers <= CALLERS_MAX:
                async with asyncio.timeout(PUSH_S_MAX):
                    await self._converse(reader, writer)
        except (OSError, TimeoutError):
            pass  # who does not end a letter in time pushes it again
        finally:
            self._callers -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        door = HttpDoor(seal_header=SEAL_HEADER)
        while not door.is_over:
            asked = door.receive(await reader.read(READ_BYTES))
            if asked is not None:
                host = str(writer.get_extra_info("peername")[0])
                writer.write(door.answer(self._status_of(asked, host=host)))
                await writer.drain()

    def _status_of(self, asked: HttpAsked, *, host: str) -> int:
        """Take a push; the platform says one again that is not answered by 200."""
        now_s = int(datetime.now(UTC).timestamp())
        if not is_sealed(asked.body, asked.seal, secret=self._secret, now_s=now_s):
            self._refusals.note(host, why="push_forged")
            return 401
        try:
            push = push_from(asked.body)
        except LetterMalformed:
            self._refusals.note(host, why="push_malformed")
            return 400
        self._roads.hear(push)
        return 200

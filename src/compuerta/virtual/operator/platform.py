"""The operator's platform: commands wait for devices until they expire, and what devices say is pushed."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import httpx

from compuerta.wire.northbound.door import HttpAsked, HttpDoor
from compuerta.wire.northbound.letters import (
    ENDED,
    SEAL_HEADER,
    Command,
    CommandState,
    LetterMalformed,
    Said,
    Standing,
    command_from,
    is_sealed,
    said_to,
    seal,
    standing_to,
)

PUSH_S_MAX: Final = 5.0
READ_BYTES: Final = 16_384
KEPT_MAX: Final = 20  # commands of one device


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Where the platform listens, where it pushes to, and the secret that both sides have."""

    host: str
    port: int
    push_url: str
    secret: bytes


@dataclass(slots=True, kw_only=True)
class Kept:
    """A command as the platform keeps it."""

    command_id: str
    command: Command
    expires_s: float
    state: CommandState = CommandState.PENDING


@dataclass(slots=True, kw_only=True)
class _Line:
    """A device as the platform knows it."""

    told: Callable[[bytes], None]
    is_awake: Callable[[], bool]
    waiting: deque[Kept] = field(default_factory=lambda: deque(maxlen=KEPT_MAX))


class OperatorPlatform:
    """Will take commands over HTTP and push what devices say."""

    def __init__(self, contract: Contract) -> None:
        self.kept: dict[str, Kept] = {}  # every command that it was ever given
        self._contract = contract
        self._lines: dict[str, _Line] = {}
        self._server: asyncio.Server | None = None
        self._client = httpx.AsyncClient(timeout=PUSH_S_MAX)
        self._pushes: set[asyncio.Task[None]] = set()

    def join(self, device_id: str, *, told: Callable[[bytes], None], is_awake: Callable[[], bool]) -> None:
        """Take a device into the contract."""
        self._lines[device_id] = _Line(told=told, is_awake=is_awake)

    async def open(self) -> int:
        """Begin to take commands; returns the port. Opened again it changes nothing."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self._contract.host, self._contract.port)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def shut(self) -> None:
        """Stop."""
        for push in self._pushes:
            push.cancel()
        if self._server is not None:
            self._server.close()
        await self._client.aclose()

    def say(self, device_id: str, frame: bytes, *, rsrp_dbm: int | None = None) -> None:
        """Push what a device says, and hand it what has waited for it."""
        self._push(said_to(Said(device_id=device_id, request_id=uuid4().hex, frame=frame, rsrp_dbm=rsrp_dbm)))
        self._hand_over(device_id)

    def _hand_over(self, device_id: str) -> None:
        """Give a device its commands, one after another, as long as it is awake."""
        line = self._lines[device_id]
        now_s = asyncio.get_running_loop().time()
        while line.waiting and line.is_awake():
            kept = line.waiting.popleft()
            if kept.state in ENDED:
                continue
            if kept.expires_s <= now_s:
                self._turn(kept, CommandState.EXPIRED)
                continue
            self._turn(kept, CommandState.SENT)
            line.told(kept.command.frame)
            self._turn(kept, CommandState.DELIVERED)

    def _turn(self, kept: Kept, state: CommandState) -> None:
        kept.state = state
        self._push(standing_to(_standing(kept)))

    def _push(self, body: bytes) -> None:
        push = asyncio.get_running_loop().create_task(self._post(body))
        self._pushes.add(push)
        push.add_done_callback(self._pushes.discard)

    async def _post(self, body: bytes) -> None:
        at_s = int(datetime.now(UTC).timestamp())
        headers = {SEAL_HEADER: seal(body, at_s=at_s, secret=self._contract.secret)}
        try:
            await self._client.post(self._contract.push_url, content=body, headers=headers)
        except httpx.HTTPError:
            return  # an application that is away hears of the next one

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        door = HttpDoor(seal_header=SEAL_HEADER)
        try:
            while not door.is_over:
                asked = door.receive(await reader.read(READ_BYTES))
                if asked is not None:
                    status, body, device_id = self._answer(asked)
                    writer.write(door.answer(status, body))
                    await writer.drain()
                    if device_id in self._lines:
                        self._hand_over(device_id)
        except OSError:
            return
        finally:
            writer.close()

    def _answer(self, asked: HttpAsked) -> tuple[int, bytes, str]:
        """Take a command or its cancellation: the status, the body, and whose line may move now."""
        now_s = int(datetime.now(UTC).timestamp())
        if not is_sealed(asked.body, asked.seal, secret=self._contract.secret, now_s=now_s):
            return 401, b"", ""
        if asked.method == "PUT":
            kept = self.kept.get(asked.path.rpartition("/")[2])
            if kept is None:
                return 404, b"", ""
            if kept.state in (CommandState.DEFAULT, CommandState.PENDING):
                self._turn(kept, CommandState.CANCELED)
            return 200, standing_to(_standing(kept)), ""
        try:
            command = command_from(asked.body)
        except LetterMalformed:
            return 400, b"", ""
        if command.device_id not in self._lines:
            return 404, b"{}", ""
        expires_s = asyncio.get_running_loop().time() + command.expire_s
        kept = Kept(command_id=uuid4().hex, command=command, expires_s=expires_s)
        self.kept[kept.command_id] = kept
        self._lines[command.device_id].waiting.append(kept)
        return 201, standing_to(_standing(kept)), command.device_id


def _standing(kept: Kept) -> Standing:
    return Standing(device_id=kept.command.device_id, command_id=kept.command_id, state=kept.state)

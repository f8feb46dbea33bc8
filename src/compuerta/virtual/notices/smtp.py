"""A mail server as small as RFC 5321 lets it be: it takes letters for anybody, to be looked at."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from ssl import SSLContext
from typing import Final

from compuerta.virtual.notices.world import Behaviour, NoticesWorld, Received

LINE_BYTES_MAX: Final = 65_536
LETTER_BYTES_MAX: Final = 1_048_576
COMMANDS_MAX: Final = 100  # of one connection
IDLE_S_MAX: Final = 30.0
_PATH = re.compile(r"(?:FROM|TO):<(?P<address>[^>]{0,320})>", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailTerms:
    """How this server lets people in."""

    tls: SSLContext | None = None  # offered by STARTTLS where there is one
    user: str = ""  # "": nobody has to sign in
    password: str = field(default="", repr=False)


class MailSide:
    """One mail server."""

    def __init__(self, world: NoticesWorld, terms: MailTerms, *, clock: Callable[[], datetime]) -> None:
        self._world = world
        self._terms = terms
        self._clock = clock

    @asynccontextmanager
    async def listening(self, *, host: str, port: int) -> AsyncIterator[int]:
        """Listen, and give the port; 0 lets the system choose one."""
        server = await asyncio.start_server(self._serve, host, port, limit=LINE_BYTES_MAX)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = _MailTalk(self._world, self._terms, reader, writer)
        try:
            with suppress(TimeoutError, ConnectionError, asyncio.IncompleteReadError, ValueError):
                await talk.run(self._clock)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


class _MailTalk:
    """One connection."""

    def __init__(
        self,
        world: NoticesWorld,
        terms: MailTerms,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._world = world
        self._terms = terms
        self._reader = reader
        self._writer = writer
        self._signed_in = not terms.user
        self._secure = False
        self._recipients: list[str] = []

    async def run(self, clock: Callable[[], datetime]) -> None:
        behaviour = self._world.behaviour("smtp")
        self._world.tallies["smtp"].asked += 1
        if behaviour.refuses_with.startswith("421"):
            await self._say("421 not now")
            return
        await self._say("220 virtual ESMTP")
        for _ in range(COMMANDS_MAX):
            line = await self._line()
            verb, _, rest = line.partition(" ")
            match verb.upper():
                case "EHLO" | "HELO":
                    await self._greet()
                case "STARTTLS" if self._terms.tls is not None:
                    await self._say("220 go ahead")
                    await self._writer.start_tls(self._terms.tls)
                    self._secure = True
                case "AUTH":
                    await self._sign_in(rest)
                case "MAIL":
                    self._recipients = []
                    await self._say("250 ok" if self._signed_in else "530 5.7.0 sign in first")
                case "RCPT":
                    await self._recipient(rest, behaviour)
                case "DATA":
                    if await self._letter(behaviour, now=clock()):
                        return
                case "RSET" | "NOOP":
                    await self._say("250 ok")
                case "QUIT":
                    await self._say("221 bye")
                    return
                case _:
                    await self._say("502 not known here")

    async def _greet(self) -> None:
        offers = ["virtual", "8BITMIME", "SIZE 1048576"]
        if self._terms.tls is not None and not self._secure:
            offers.append("STARTTLS")
        if self._terms.user:
            offers.append("AUTH PLAIN")
        await self._say(*(f"250-{each}" for each in offers[:-1]), f"250 {offers[-1]}")

    async def _sign_in(self, rest: str) -> None:
        _, _, told = rest.partition(" ")
        wanted = f"\0{self._terms.user}\0{self._terms.password}".encode()
        with suppress(ValueError):
            self._signed_in = base64.b64decode(told, validate=True) == wanted
        await self._say("235 welcome" if self._signed_in else "535 5.7.8 no")

    async def _recipient(self, rest: str, behaviour: Behaviour) -> None:
        found = _PATH.match(rest)
        if found is None:
            await self._say("501 no address")
        elif behaviour.refuses_with:
            await self._say(f"{behaviour.refuses_with} refused")
        else:
            self._recipients.append(found["address"])
            await self._say("250 ok")

    async def _letter(self, behaviour: Behaviour, *, now: datetime) -> bool:
        """Take a letter; true where the talk is over."""
        if not self._recipients:
            await self._say("503 nobody to send it to")
            return False
        await self._say("354 go ahead")
        async with asyncio.timeout(IDLE_S_MAX):
            raw = bytearray()
            while (line := await self._reader.readline()) != b".\r\n":
                raw += line[1:] if line.startswith(b".") else line
                if not line or len(raw) > LETTER_BYTES_MAX:
                    return True
        letter = message_from_bytes(bytes(raw), policy=SMTP)
        for to in self._recipients:
            self._world.take(_received(letter, to, now=now))
        if behaviour.silent:
            await asyncio.sleep(IDLE_S_MAX)
            return True
        await self._say("nonsense" if behaviour.nonsense else "250 taken")
        return False

    async def _line(self) -> str:
        async with asyncio.timeout(IDLE_S_MAX):
            line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError
        return line.decode("ascii", errors="replace").strip()

    async def _say(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self._writer.drain()


def _received(letter: EmailMessage, to: str, *, now: datetime) -> Received:
    part = letter.get_body(preferencelist=("plain",))
    return Received(
        carrier="smtp",
        at=now,
        to=to,
        message_id=str(letter["Message-ID"] or ""),
        subject=str(letter["Subject"] or ""),
        body=part.get_content() if part is not None else "",
        headers={name.lower(): str(value) for name, value in letter.items()},
    )

"""A serial port as a `Link`: RS485 behind a USB adapter, opened again whenever it comes back.

Bytes have eight bits and even parity (DL/T 645-2007 5.1), unless the installation says otherwise.
"""

import asyncio
import errno
import os
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import serialx

from compuerta.adapters.links.ear import Ear
from compuerta.domain.errors import Unreachable
from compuerta.services.link_port import Link, Listener

OPEN_S_MAX = 10.0  # a driver that takes longer to open has hung
BACKOFF_S_MIN = 0.5  # an adapter that was pulled out and put back is found before anybody notices
BACKOFF_S_MAX = 30.0
_PARITIES = {"even": serialx.Parity.EVEN, "none": serialx.Parity.NONE, "odd": serialx.Parity.ODD}


class PortNotOpened(Unreachable):
    """A serial port that cannot be opened now: missing, in use, or not permitted."""

    def __init__(self, *, path: str, reason: str) -> None:
        super().__init__(f"serial port {path}: {reason}")
        self.path = path
        self.reason = reason


class SerialBus:
    """Keeps one serial port open as long as `run` runs.

    `opened(link)` is called each time that it opens; `not_opened(error)` when it cannot be, once per reason.
    """

    def __init__(
        self,
        path: str,
        *,
        opened: Callable[[Link], None],
        not_opened: Callable[[PortNotOpened], None],
        baud: int = 2400,
        parity: Literal["even", "none", "odd"] = "even",
    ) -> None:
        self._path = path
        self._opened = opened
        self._not_opened = not_opened
        self._baud = baud
        self._parity = _PARITIES[parity]

    async def run(self) -> None:
        """Hold the port until it is cancelled, opening it again after each loss with a back-off."""
        backoff_s = BACKOFF_S_MIN
        told = ""
        while True:
            try:
                link = await self._open()
            except PortNotOpened as error:
                if error.reason != told:
                    self._not_opened(error)
                told = error.reason
            else:
                told, backoff_s = "", BACKOFF_S_MIN
                try:
                    self._opened(link)
                    await link.ended.wait()
                finally:
                    link.shut()
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_S_MAX)

    async def _open(self) -> "_Port":
        loop = asyncio.get_running_loop()
        try:
            _unsettle(self._path)
            async with asyncio.timeout(OPEN_S_MAX):
                _, port = await serialx.create_serial_connection(
                    loop, _Port, self._path, baudrate=self._baud, parity=self._parity, exclusive=True
                )
        except TimeoutError as error:
            raise PortNotOpened(path=self._path, reason="does not open") from error
        except (OSError, termios.error, serialx.SerialException, serialx.UnsupportedSetting) as error:
            raise PortNotOpened(path=self._path, reason=_reason(error)) from error
        assert isinstance(port, _Port)
        return port


def _unsettle(path: str) -> None:
    """Bring a pseudo-terminal to a speed that nobody asks for; a real port is left alone.

    A pseudo-terminal carries no parity, and the C library calls a change refused if none of it took effect.
    So whoever opens one after a holder that was killed, with the same settings, would be refused for ever.
    """
    if not Path(path).resolve().is_relative_to("/dev/pts"):
        return
    terminal = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        iflag, oflag, cflag, lflag, _, _, control = termios.tcgetattr(terminal)
        speed = termios.B50
        termios.tcsetattr(
            terminal, termios.TCSANOW, [iflag, oflag, cflag & ~termios.PARENB, lflag, speed, speed, control]
        )
    finally:
        os.close(terminal)


def _reason(error: Exception) -> str:
    match getattr(error, "errno", None):
        case errno.EBUSY:
            return "is in use by another process"
        case errno.ENOENT | errno.ENXIO | errno.ENODEV:
            return "is not there"
        case errno.EACCES | errno.EPERM:
            return "may not be opened by this user"
        case _:
            return f"does not open: {error}"


class _Port(asyncio.Protocol):
    """One opening of the port, as a `Link`.

    (It inherits, since asyncio gives its callbacks to nothing else.)
    """

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._transport: asyncio.WriteTransport | None = None
        self._ear = Ear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._ear.hear(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        self.ended.set()
        self._ear.lose("device_gone")

    def attach(self, listener: Listener) -> None:
        """See `Link`."""
        self._ear.attach(listener)

    def write(self, data: bytes) -> None:
        """See `Link`."""
        if self._transport is not None and data:
            self._transport.write(data)

    def shut(self) -> None:
        """See `Link`."""
        transport, self._transport = self._transport, None
        self._ear.close()
        self.ended.set()
        if transport is not None:
            transport.abort()

"""Road heads: where the roads of one bearer arrive at this process, and who takes them.

A gateway has one head per bearer. A head knows sockets, brokers and ports; the keeper knows meters. What is
asleep is simply not there: a head opens the link of a sleeper when it is heard, and tells its loss as
`ASLEEP` when it may be gone again, so that nothing is claimed for it meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from compuerta.domain.errors import Refused
from compuerta.domain.party import Bearer
from compuerta.domain.road import RoadSign
from compuerta.services.link_port import Link
from compuerta.services.records import Endpoint

ASLEEP: Final = "asleep"  # the reason of a loss that is no fault
UNKNOWN: Final = "registration_unknown"  # why somebody is a stranger, if nothing worse is known
KEY_REFUSED: Final = "key_refused"  # the name is entered, and its key was not shown
STRANGERS_MAX: Final = 200  # of one head; the one refused longest ago makes room


class PortNotListened(Refused):
    """A port to come in by that cannot be had: another process has it, or it is not ours to take."""

    def __init__(self, *, host: str, port: int, reason: str) -> None:
        super().__init__(f"nobody can come in at {host}:{port}: {reason}")
        self.host = host
        self.port = port
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """Somebody who came and was not let in: a device that is not entered yet, or nobody of ours."""

    registration: str  # the name it gave, or its bytes in hexadecimal where it gave none
    times: int
    why: str = UNKNOWN  # the alarm that it becomes: also "key_refused", "topic_refused" ...


@dataclass(slots=True, kw_only=True)
class Refusals:
    """Who was not let in, and why; who was refused longest ago makes room."""

    strangers_max: int = STRANGERS_MAX
    times: dict[tuple[str, str], int] = field(default_factory=dict)  # by name and reason

    def note(self, name: str, *, why: str = UNKNOWN) -> None:
        """Count one more."""
        times = self.times.pop((name, why), 0) + 1
        if len(self.times) >= self.strangers_max:
            del self.times[next(iter(self.times))]
        self.times[name, why] = times

    def let_in(self, name: str) -> None:
        """Forget that somebody was not known."""
        self.times.pop((name, UNKNOWN), None)

    def strangers(self) -> list[Stranger]:
        """Return them, the latest last."""
        return [
            Stranger(registration=name, times=times, why=why) for (name, why), times in self.times.items()
        ]


class Keeper(Protocol):
    """Who takes the roads that arrive; calls come from the event loop."""

    def opened(self, endpoint_id: str, link: Link) -> None:
        """Take a road that is there now; an earlier link of the same end is lost by it."""
        ...

    def signalled(self, endpoint_id: str, sign: RoadSign) -> None:
        """Take what an end tells of its road."""
        ...

    def civil_now(self, endpoint_id: str) -> datetime | None:
        """Return the local time of the meters on an end; None = none of them measures for an account."""
        ...


class Roadhead(Protocol):
    """Where the roads of some bearers arrive."""

    @property
    def bearers(self) -> frozenset[Bearer]:
        """The bearers whose ends it serves."""
        ...

    async def open(self) -> None:
        """Take what can be refused at the start, such as a port; raises what says why."""
        ...

    async def run(self) -> None:
        """Serve until cancelled."""
        ...

    async def shut(self) -> None:
        """End all links without telling their listeners."""
        ...

    def learn(self, ends: Sequence[Endpoint]) -> None:
        """Take over which ends of its bearers there are now; told at the start, and every few seconds."""
        ...

    def strangers(self) -> list[Stranger]:
        """Return who was not let in, with how often since the start."""
        ...

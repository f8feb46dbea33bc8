"""What every road of a fleet can do, whatever carries it."""

from collections.abc import Mapping
from typing import Protocol

from compuerta.domain.errors import Refused
from compuerta.virtual.faults import Faults
from compuerta.virtual.fleet.fields import Json
from compuerta.virtual.meter.peer import VirtualMeter


class CannotHangUp(Refused):
    """A road that has no connection to lose."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"a {kind} has no connection that it could lose; cut it instead")
        self.kind = kind


class Road(Protocol):
    """One road, with the meters that sit on it."""

    faults: Faults

    @property
    def meters(self) -> tuple[VirtualMeter, ...]:
        """The meters that sit on it."""
        ...

    def start(self) -> None:
        """Open it, or begin to dial, in the running loop."""
        ...

    async def shut(self) -> None:
        """Take it away for good."""
        ...

    def set_cut(self, cut: bool) -> None:
        """Let nothing through, as a broken cable or a dead cell does, or everything again."""
        ...

    def hang_up(self) -> None:
        """Lose the connection once; it comes back by itself. Refused where there is none."""
        ...

    def power_changed(self) -> None:
        """Look again at whether its meters have power."""
        ...

    def push(self) -> None:
        """Let its meters say what they have to tell unasked."""
        ...

    def state(self) -> Mapping[str, Json]:
        """Return its kind, and how it stands."""
        ...

"""The crew: child processes that are started, watched, started again when they die, and ended together."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compuerta.domain.errors import Broken

RESTART_S_MIN = 0.2
RESTART_S_MAX = 30.0
# A process that lived this long had started well: its next death is no failed start, and it is wanted back.
WELL_AFTER_S = 5.0
END_S_MAX = 10.0
LOG_TAIL_BYTES = 2_000


class MemberFailed(Broken):
    """A process of the crew ended when it should have run; the end of its log says why."""

    def __init__(self, name: str, log: Path) -> None:
        said = log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace") if log.exists() else ""
        super().__init__(f"{name} ended; {log} says:\n{said}")
        self.name = name


@dataclass(slots=True, kw_only=True)
class Member:
    """One process of the crew."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    restart_s: float = RESTART_S_MIN
    again_s: float | None = None  # when it is started again; None while it runs
    restarts: int = 0


@dataclass(slots=True, kw_only=True)
class Crew:
    """This will keep a set of processes running."""

    logs: Path
    environment: Mapping[str, str]
    clock: Callable[[], float] = time.monotonic
    members: dict[str, Member] = field(default_factory=dict)

    def start(self, name: str, *command: str) -> Member:
        """Start a process under a name; its output goes to `<logs>/<name>.log`."""
        member = Member(name=name, command=command)
        self.members[name] = member
        self._launch(member)
        return member

    def start_role(self, role: str, name: str | None = None) -> Member:
        """Start one of our own roles: door, gateway or worker."""
        return self.start(name or role, sys.executable, "-m", "compuerta.apps.cli", role)

    def tend(self) -> list[str]:
        """Start again what has died and waited long enough; returns the names of what is down now."""
        now_s = self.clock()
        for member in self.members.values():
            if member.process is None or member.process.poll() is None:
                continue
            if member.again_s is None:
                _mourn(member, now_s=now_s)
            elif now_s >= member.again_s:
                member.restarts += 1
                self._launch(member)
        return [member.name for member in self.members.values() if member.again_s is not None]

    def require(self, name: str) -> None:
        """Raise if a process has ended."""
        process = self.members[name].process
        if process is None or process.poll() is not None:
            raise MemberFailed(name, self.log_of(name))

    def log_of(self, name: str) -> Path:
        """Return where a process writes."""
        return self.logs / f"{name}.log"

    def kill(self, name: str) -> None:
        """Kill a process as a power cut would."""
        process = self.members[name].process
        if process is not None:
            process.kill()
            process.wait()

    def end(self) -> None:
        """Ask all to end, the last started first; kill what does not."""
        members = [member for member in reversed(self.members.values()) if member.process is not None]
        for member in members:
            assert member.process is not None
            with contextlib.suppress(ProcessLookupError):
                member.process.send_signal(signal.SIGTERM)
        deadline_s = time.monotonic() + END_S_MAX
        for member in members:
            assert member.process is not None
            try:
                member.process.wait(timeout=max(0.1, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()

    def _launch(self, member: Member) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        with self.log_of(member.name).open("ab") as log:
            # A session of its own: Ctrl-C at the terminal reaches us alone, and we end the others in order.
            member.process = subprocess.Popen(
                member.command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        member.started_s = self.clock()
        member.again_s = None


def _mourn(member: Member, *, now_s: float) -> None:
    if now_s - member.started_s >= WELL_AFTER_S:
        member.restart_s = RESTART_S_MIN
    member.again_s = now_s + member.restart_s
    member.restart_s = min(member.restart_s * 2, RESTART_S_MAX)

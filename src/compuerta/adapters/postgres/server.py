"""The embedded PostgreSQL: started, adopted and stopped by us, used where no DATABASE_URL is given.

One directory holds everything: the cluster, the socket, the log and the marker that says it is ours.
Whether a server runs is found out by talking to it; a process id proves nothing, since a dead server's number
may belong to a zombie or to a stranger by now.
The server outlives the program that started it, and the next program adopts it.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from compuerta.adapters.postgres.binaries import (
    POSTGRES_MAJOR,
    DirectoryOutOfReach,
    ServerAccount,
    find_binaries,
)
from compuerta.domain.errors import Refused, Unreachable

DATABASE_NAME = "compuerta"
SUPERUSER = "postgres"
PORT = 5432
MARKER = "compuerta-database"
# Where postmaster.pid says how far the server is, counted from 0 (LOCK_FILE_LINE_PM_STATUS in PostgreSQL).
STATUS_LINE = 7

CONNECT_TIMEOUT_S = 2
POLL_S = 0.02
# Recovery after a crash writes a line into the log every few seconds: while it does, we wait.
QUIET_S_MAX = 60
RECOVERY_S_MAX = 1800
STOP_S_MAX = 60
# Two starters at once: the second waits for the first, whose start may be a recovery.
LOCK_S_MAX = RECOVERY_S_MAX
# `sockaddr_un` has room for 108 bytes on Linux and 104 on macOS, with a zero at the end.
SOCKET_PATH_BYTES_MAX = 103
# When the server is killed, a child in the middle of a computation lives on a little, and holds its memory.
ORPHANS_SAID = "pre-existing shared memory block"
ORPHANS_S_MAX = 60
ORPHANS_PAUSE_S = 0.5
LOG_BYTES_MAX = 10_000_000
LOG_TAIL_BYTES = 2_000

# What ext4 puts at the root of an empty volume; a volume mounted as data directory is still empty.
EMPTY_VOLUME_NAMES = frozenset({"lost+found"})


class ForeignDirectory(Refused):
    """The directory holds something, and it is not a database of ours: nothing in it was touched."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"{directory} is not empty and no database of ours: name an empty or new directory")
        self.directory = directory


class DirectoryNotOurs(Refused):
    """Another account of this machine owns the directory."""

    def __init__(self, directory: Path, *, owner_id: int) -> None:
        super().__init__(
            f"{directory} belongs to account {owner_id}: run as that account, or name another directory"
        )
        self.directory = directory
        self.owner_id = owner_id


class ClusterOfOtherMajor(Refused):
    """The cluster was made by another major version of PostgreSQL, whose files ours cannot read."""

    def __init__(self, directory: Path, *, major: str) -> None:
        super().__init__(
            f"{directory} was made by PostgreSQL {major}, and this is {POSTGRES_MAJOR}: "
            "dump it with the release that made it, and restore into a new directory"
        )
        self.directory = directory
        self.major = major


class RunsWithoutSync(Refused):
    """A server that may lose committed payments at a power cut answers here; it was started for a test."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"the server at {directory} runs with fsync off: stop it, and start again")
        self.directory = directory


class ServerDidNotStart(Refused):
    """PostgreSQL ended while starting; the end of its log says why."""

    def __init__(self, log: Path, *, said: str) -> None:
        super().__init__(f"PostgreSQL did not start; the end of {log}:\n{said}")
        self.log = log
        self.said = said


class ServerStillStarting(Unreachable):
    """PostgreSQL runs and does not answer yet; it goes on, so a later start may find it ready."""

    def __init__(self, log: Path) -> None:
        super().__init__(f"PostgreSQL does not answer yet; see {log}, and start again later")
        self.log = log


class StarterStillBusy(Unreachable):
    """Another program has been starting or stopping this server for too long."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"another program still starts or stops the server at {directory}: try again")
        self.directory = directory


class EmbeddedServer:
    """One PostgreSQL server in one directory of ours, reached over a unix socket and nothing else."""

    def __init__(self, data_dir: Path, *, shared_buffers_mb: int = 256, fast_test: bool = False) -> None:
        """Describe a server; nothing is touched before `start`.

        `fast_test` gives durability up for speed, for tests only: a start without it refuses such a server.
        """
        self._home = data_dir.expanduser().resolve()
        self._cluster = self._home / "cluster"
        self._log = self._home / "server.log"
        self._socket_dir = _socket_dir_for(self._home)
        self._shared_buffers_mb = shared_buffers_mb
        self._fast_test = fast_test

    @property
    def url(self) -> str:
        """The libpq address of the database, whether or not the server runs."""
        return self._url_of(DATABASE_NAME)

    def start(self) -> str:
        """Return the address of a server that answers: the one that runs, or a new one.

        Refuses a directory that is not ours, and raises Unreachable while a long crash recovery goes on.
        """
        account = self._prepare_home()
        with self._alone():
            if not self._is_listening():
                self._launch(account)
            else:
                self._wait_until_answering(starter=None, said_before=self._log_bytes())
            self._refuse_a_server_without_sync()
            self._create_database()
        return self.url

    def stop(self) -> None:
        """Stop the server for everybody, in order; one that does not run is left alone."""
        if not (self._home / MARKER).exists():
            return
        with self._alone():
            # Without this question pg_ctl would signal whoever has the dead server's process id now.
            if not self.is_answering():
                return
            account = ServerAccount.for_directory(self._home)
            pg_ctl = str(find_binaries(self._home, account=account) / "pg_ctl")
            account.run(
                [pg_ctl, "stop", "-D", str(self._cluster), "-m", "fast", "-w", "-t", str(STOP_S_MAX)],
                directory=self._home,
            )

    def is_answering(self) -> bool:
        """Whether a server answers at our socket, and keeps its rows in our directory."""
        # Asking a server that recovers would write a line into its log each time, and look like its progress.
        if not self._is_listening() or not self._is_ready():
            return False
        try:
            return self._setting("data_directory") == str(self._cluster)
        except psycopg.OperationalError:
            return False

    def _prepare_home(self) -> ServerAccount:
        _make_directory(self._home)
        owner_id = self._home.stat().st_uid
        if os.geteuid() not in (0, owner_id):
            raise DirectoryNotOurs(self._home, owner_id=owner_id)
        # One listing: a second starter that looks between our steps sees nothing, or the marker.
        names = {path.name for path in self._home.iterdir()} - EMPTY_VOLUME_NAMES
        if names and MARKER not in names:
            raise ForeignDirectory(self._home)
        (self._home / MARKER).touch(mode=0o600)
        account = ServerAccount.for_directory(self._home)
        account.own(self._home)
        account.own(self._home / MARKER)
        self._home.chmod(0o700)
        if not account.can_enter(self._home):
            raise DirectoryOutOfReach(self._home, account=account)
        if self._socket_dir != self._home:
            _make_private_directory(self._socket_dir, account=account)
        return account

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the marker's lock; the kernel lets go of it for a starter that is killed."""
        give_up_at = time.monotonic() + LOCK_S_MAX
        with (self._home / MARKER).open("r") as marker:
            while True:
                try:
                    fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > give_up_at:
                        raise StarterStillBusy(self._home) from None
                    time.sleep(POLL_S)
                    continue
                break
            yield

    def _launch(self, account: ServerAccount) -> None:
        binaries = find_binaries(self._home, account=account)
        if not self._cluster.exists():
            self._initialise_cluster(account, binaries=binaries)
        major = (self._cluster / "PG_VERSION").read_text().strip()
        if major != POSTGRES_MAJOR:
            raise ClusterOfOtherMajor(self._cluster, major=major)
        self._write_settings(account)
        self._clear_stale_locks()
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES_MAX:
            self._log.replace(self._log.with_suffix(".log.1"))
        command = [str(binaries / "pg_ctl"), "start", "-D", str(self._cluster), "-l", str(self._log)]
        orphans_until = time.monotonic() + ORPHANS_S_MAX
        while True:
            try:
                return self._start_once([*command, "-w", "-t", str(RECOVERY_S_MAX)], account=account)
            except ServerDidNotStart as ended:
                if ORPHANS_SAID not in ended.said or time.monotonic() > orphans_until:
                    raise
            time.sleep(ORPHANS_PAUSE_S)

    def _start_once(self, command: list[str], *, account: ServerAccount) -> None:
        said_before = self._log_bytes()  # before it begins: it may have died before we look
        # pg_ctl detaches the server from us and stays to watch: its end tells of a server that died early.
        with account.spawn(command, directory=self._home) as starter:
            try:
                self._wait_until_answering(starter=starter, said_before=said_before)
            finally:
                starter.kill()

    def _initialise_cluster(self, account: ServerAccount, *, binaries: Path) -> None:
        # Made beside its place and renamed: a killed initdb leaves nothing that looks like a cluster.
        unfinished = self._home / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        account.run(
            [
                *(str(binaries / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, "--auth=trust"),
                # PostgreSQL's own C.UTF-8: the order of texts does not change with the machine's C library.
                *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *(["--no-sync"] if self._fast_test else []),
            ],
            directory=self._home,
        )
        with (unfinished / "postgresql.conf").open("a") as settings:
            settings.write("\ninclude = '../settings.conf'\n")
        unfinished.rename(self._cluster)

    def _write_settings(self, account: ServerAccount) -> None:
        sync = "off" if self._fast_test else "on"
        values = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self._socket_dir).replace("'", "''"),
            "fsync": sync,
            "synchronous_commit": sync,
            "full_page_writes": sync,
            # pglz makes random updates after a checkpoint eight times slower.
            "wal_compression": "off",
            "max_wal_size": "2GB",
            "shared_buffers": f"{self._shared_buffers_mb}MB",
            "max_connections": "100",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_startup_progress_interval": "5s",
            "log_checkpoints": "off",
        }
        path = self._home / "settings.conf"
        lines = [f"{name} = '{value}'\n" for name, value in values.items()]
        note = "# Written at every start. For settings of yours: ALTER SYSTEM SET ...\n"
        path.write_text(note + "".join(lines))
        account.own(path)

    def _clear_stale_locks(self) -> None:
        """Remove a dead server's lock files: PostgreSQL believes them while any process has their number."""
        pid_file = self._cluster / "postmaster.pid"
        if not pid_file.exists() or not Path("/proc/self").exists():
            return
        pid = pid_file.read_text().partition("\n")[0].strip()
        with contextlib.suppress(OSError):
            # A server lives in its data directory; a zombie lives nowhere, and a stranger elsewhere.
            if Path(f"/proc/{pid}/cwd").readlink() == self._cluster:
                return
        pid_file.unlink()
        (self._socket_dir / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _wait_until_answering(self, *, starter: subprocess.Popen[str] | None, said_before: int) -> None:
        log_bytes = said_before
        quiet_until = time.monotonic() + QUIET_S_MAX
        give_up_at = time.monotonic() + RECOVERY_S_MAX
        while not self.is_answering():
            is_watched = starter is not None and starter.poll() is None
            if not is_watched and not self._is_listening():
                raise ServerDidNotStart(self._log, said=self._log_since(said_before))
            if self._log_bytes() != log_bytes:
                log_bytes = self._log_bytes()
                quiet_until = time.monotonic() + QUIET_S_MAX
            if time.monotonic() > min(quiet_until, give_up_at):
                raise ServerStillStarting(self._log)
            time.sleep(POLL_S)

    def _is_listening(self) -> bool:
        """Whether some process has our socket open; a server in recovery does, and does not answer yet."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(CONNECT_TIMEOUT_S)
            try:
                probe.connect(str(self._socket_dir / f".s.PGSQL.{PORT}"))
            except (TimeoutError, BlockingIOError):
                return True  # a full queue of callers has an owner
            except OSError:
                return False
        return True

    def _is_ready(self) -> bool:
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return [line.strip() for line in lines[STATUS_LINE:]] == ["ready"]

    def _refuse_a_server_without_sync(self) -> None:
        if not self._fast_test and self._setting("fsync") != "on":
            raise RunsWithoutSync(self._home)

    def _create_database(self) -> None:
        with self._connect() as connection:
            known = connection.execute("select 1 from pg_database where datname = %s", [DATABASE_NAME])
            if known.fetchone() is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE_NAME)))

    def _setting(self, name: str) -> str | None:
        with self._connect() as connection:
            row = connection.execute("select current_setting(%s)", [name]).fetchone()
        return row[0] if row else None

    def _connect(self) -> psycopg.Connection[tuple[str]]:
        return psycopg.connect(self._url_of("postgres"), autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)

    def _url_of(self, database: str) -> str:
        # The port is written out, since libpq would take another one from the caller's PGPORT.
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self._socket_dir))}&port={PORT}"

    def _log_bytes(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    def _log_since(self, offset: int) -> str:
        said = self._log.read_bytes()[offset:] if self._log.exists() else b""
        return said[-LOG_TAIL_BYTES:].decode(errors="replace")


@contextlib.contextmanager
def serving(server: EmbeddedServer) -> Iterator[str]:
    """Give the address of a started server, and stop the server at the end."""
    try:
        yield server.start()
    finally:
        server.stop()


def default_data_dir() -> Path:
    """Return where the database of a machine lives, by whether root or a person runs us."""
    if os.geteuid() == 0:
        return Path("/var/lib/compuerta/postgres")
    return Path.home() / ".local" / "share" / "compuerta" / "postgres"


def _socket_dir_for(home: Path) -> Path:
    if len(os.fsencode(home / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES_MAX:
        return home
    return Path("/tmp") / f"compuerta-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"


def _make_directory(directory: Path) -> None:
    """Make a directory and its missing parents; only those that we make are opened for others to pass."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        try:
            path.mkdir(exist_ok=True)
        except PermissionError as cause:
            raise DirectoryNotOurs(path.parent, owner_id=path.parent.stat().st_uid) from cause
        path.chmod(0o755)


def _make_private_directory(directory: Path, *, account: ServerAccount) -> None:
    """Make a directory in a place where anybody may write, or refuse one that somebody else put there."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        account.own(directory)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.user_id or found.st_mode & 0o077:
        raise DirectoryNotOurs(directory, owner_id=found.st_uid)

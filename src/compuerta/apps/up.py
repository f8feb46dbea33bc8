"""`compuerta up`: everything on one machine, in the order in which one needs the other."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from compuerta.adapters.postgres.server import EmbeddedServer
from compuerta.apps import wiring
from compuerta.apps.config import Settings
from compuerta.apps.crew import Crew
from compuerta.domain.errors import Broken, Refused, Unreachable

log = structlog.get_logger()

TEND_S = 0.2
LOCK = "up.lock"
ROLES = ("door", "gateway", "worker")


class AlreadyUp(Refused):
    """Another `compuerta up` keeps this installation running."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(f"another `compuerta up` works in {data_dir}; end it, or set COMPUERTA_DATA")
        self.data_dir = data_dir


class AddressNotFree(Refused):
    """An address that we should listen at is not ours to have."""

    def __init__(self, variable: str, host: str, port: int, *, reason: str) -> None:
        super().__init__(f"{host} port {port}: {reason}; end who listens there, or set {variable}")
        self.variable = variable


class MigrationFailed(Broken):
    """The schema could not be brought up to date; what went wrong was told by the process that tried."""

    def __init__(self) -> None:
        super().__init__("the schema could not be brought up to date; the lines above say why")


def run(given: Settings) -> None:
    """Start the database if none is named, migrate, run the roles, and tend them until told to end.

    Refuses, before anything is started, what the roles could only refuse in their logs.
    """
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    given.secret("console")
    wiring.models(given)
    wiring.providers_in(given.data_dir / wiring.PROVIDERS_FILE)
    with _alone(given.data_dir):
        _require_free("COMPUERTA_PORT", given.host, given.port)
        _require_free("COMPUERTA_ROAD_PORT", given.road_host, given.road_port)
        server = None if given.database_url else wiring.embedded(given)
        environment = {"DATABASE_URL": given.database_url or _started(server)}
        crew = Crew(logs=given.data_dir / "logs", environment=environment)
        try:
            migrated(environment)
            _serve(given, crew=crew, server=server, ended=ended)
        finally:
            crew.end()
            if server is not None:
                server.stop()


def migrated(environment: dict[str, str]) -> None:
    """Bring the schema up to date in a process of its own: Django reads its settings only once."""
    ended = subprocess.run(
        [sys.executable, "-m", "compuerta.apps.cli", "migrate"],
        env={**os.environ, **environment},
        check=False,
        stdout=subprocess.DEVNULL,
    )
    if ended.returncode != 0:
        raise MigrationFailed


def _serve(given: Settings, *, crew: Crew, server: EmbeddedServer | None, ended: threading.Event) -> None:
    for role in (*ROLES, *(["ingest"] if given.mqtt_url else [])):
        crew.start_role(role)
    log.info("up.serving", console=given.public_url, road_port=given.road_port, logs=str(crew.logs))
    while not ended.wait(TEND_S):
        crew.tend()
        if server is not None and not server.is_answering():
            _restart(server)


def _restart(server: EmbeddedServer) -> None:
    try:
        server.start()
    except Unreachable as error:  # a recovery goes on; the next round looks again
        log.warning("up.database.away", error=str(error))
    else:
        log.warning("up.database.restarted")


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Hold a lock while we run; the kernel lets go of it if we are killed."""
    with (data_dir / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUp(data_dir) from None
        yield


def _require_free(variable: str, host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise AddressNotFree(variable, host, port, reason=str(error.strerror)) from error


def _started(server: EmbeddedServer | None) -> str:
    assert server is not None
    return server.start()

"""`compuerta up`: everything on one machine, in the order in which one needs the other."""

import os
import signal
import subprocess
import sys
import time
from types import FrameType

import structlog

from compuerta.adapters.postgres.server import EmbeddedServer
from compuerta.apps.config import Settings
from compuerta.apps.crew import Crew

log = structlog.get_logger()

TEND_S = 0.2
ROLES = ("door", "gateway", "worker")


def run(given: Settings) -> None:
    """Start the database if none is named, migrate, run the roles, and tend them until told to end."""
    server = None if given.database_url else EmbeddedServer(given.data_dir / "postgres")
    url = given.database_url or _start(server)
    environment = {"DATABASE_URL": url}
    migrated(environment)
    crew = Crew(logs=given.data_dir / "logs", environment=environment)
    ended = False

    def end(_signal: int, _frame: FrameType | None) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    for role in ROLES:
        crew.start_role(role)
    log.info("up.serving", console=given.public_url, road_port=given.road_port, logs=str(crew.logs))
    try:
        while not ended:
            crew.tend()
            if server is not None and not server.is_answering():
                log.warning("up.database.restarted")
                server.start()
            time.sleep(TEND_S)
    finally:
        crew.end()
        if server is not None:
            server.stop()


def migrated(environment: dict[str, str]) -> None:
    """Bring the schema up to date in a process of its own: Django reads its settings only once."""
    subprocess.run(
        [sys.executable, "-m", "compuerta.apps.cli", "migrate"],
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _start(server: EmbeddedServer | None) -> str:
    assert server is not None
    return server.start()

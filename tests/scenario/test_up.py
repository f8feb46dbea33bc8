"""`compuerta up` on an empty machine: all comes up, what dies comes back, and all of it ends together."""

import getpass
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from compuerta.adapters.models import SCHEMA_FILE
from compuerta.adapters.postgres.server import EmbeddedServer
from compuerta.apps import config

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

UP_S_MAX = 120.0  # a cluster is made, a schema is migrated, and the machine has other work
BACK_S_MAX = 60.0
REFUSED_S_MAX = 60.0
POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A data directory, two ports that are free, and what runs there."""

    directory: Path
    port: int
    road_port: int

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        return {
            **kept,
            "COMPUERTA_DATA": str(self.directory),
            "COMPUERTA_PORT": str(self.port),
            "COMPUERTA_ROAD_PORT": str(self.road_port),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }

    @property
    def url(self) -> str:
        return EmbeddedServer(self.directory / "postgres").url

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "compuerta.apps.cli", "up"],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def refusal(self, **changes: str) -> str:
        """Type `compuerta up` where it cannot work, and return what it says."""
        ended = subprocess.run(
            [sys.executable, "-m", "compuerta.apps.cli", "up"],
            env={**self.environment, **changes},
            capture_output=True,
            text=True,
            timeout=REFUSED_S_MAX,
            check=False,
        )
        assert ended.returncode == 1, ended.stderr
        return ended.stderr

    def status(self) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "compuerta.apps.cli", "status"],
            env={**self.environment, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=REFUSED_S_MAX,
            check=False,
        )
        return ended.stdout

    def is_healthy(self) -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=5, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    def instance(self, role: str) -> str | None:
        """Return the instance of a role that beat last; its process id is in its name."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute(
                "select instance from role_beat where role = %s order by beat_at desc limit 1", (role,)
            ).fetchone()
        return None if row is None else str(row[0])


@pytest.fixture
def machine() -> Iterator[Machine]:
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"cpt-up-{getpass.getuser()}-"))
        # The account that runs the database for root has to pass.
        Path(name).chmod(0o711)
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            ports = one.getsockname()[1], other.getsockname()[1]
        directory = Path(name) / "data"
        stack.callback(EmbeddedServer(directory / "postgres").stop)
        yield Machine(directory=directory, port=ports[0], road_port=ports[1])


def until(holds: Callable[[], object], *, within_s: float, up: subprocess.Popen[str]) -> None:
    """Wait until something holds, or tell what `up` said when it does not come true."""
    give_up_at_s = time.monotonic() + within_s
    while not holds():
        if up.poll() is not None or time.monotonic() > give_up_at_s:
            up.kill()
            assert up.stderr is not None
            raise AssertionError(f"up ended with {up.returncode}:\n{up.stderr.read()}")
        time.sleep(POLL_S)


def test_up_runs_everything_and_ends_everything(machine: Machine) -> None:
    """One story, since a start takes seconds: up, killed roles, a second up, and the end."""
    up = machine.start()
    try:
        until(machine.is_healthy, within_s=UP_S_MAX, up=up)
        roles = ("door", "gateway", "worker")
        until(lambda: all(map(machine.instance, roles)), within_s=BACK_S_MAX, up=up)
        status = machine.status()
        assert all(str(machine.instance(role)) in status for role in roles), status

        for role in roles:
            killed = machine.instance(role)
            assert killed is not None
            os.kill(int(killed.split("-")[1]), signal.SIGKILL)
            until(
                lambda role=role, killed=killed: machine.instance(role) != killed, within_s=BACK_S_MAX, up=up
            )
        until(machine.is_healthy, within_s=BACK_S_MAX, up=up)

        refusal = machine.refusal()
        assert refusal.startswith(f"AlreadyUp: another `compuerta up` works in {machine.directory}")
        elsewhere = machine.refusal(COMPUERTA_DATA=str(machine.directory.parent / "second"))
        assert elsewhere.startswith(f"AddressNotFree: 127.0.0.1 port {machine.port}: ")
        assert "COMPUERTA_PORT" in elsewhere
        road = machine.refusal(
            COMPUERTA_DATA=str(machine.directory.parent / "third"), COMPUERTA_PORT=str(_a_free_port())
        )
        assert road.startswith(f"AddressNotFree: 127.0.0.1 port {machine.road_port}: ")
        assert machine.is_healthy(), "who came second disturbed nobody"
        assert [path.parent for path in machine.directory.parent.glob("*/postgres")] == [machine.directory]

        pids = [int(str(machine.instance(role)).split("-")[1]) for role in roles]
        up.send_signal(signal.SIGTERM)
        assert up.wait(UP_S_MAX) == 0
        assert not any(map(_lives, pids))
        assert not machine.is_healthy()
        assert not EmbeddedServer(machine.directory / "postgres").is_answering()
    finally:
        up.kill()
        up.communicate()


def test_a_wrong_model_is_named_before_anything_starts(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / SCHEMA_FILE).write_bytes((config.settings({}).models / SCHEMA_FILE).read_bytes())
    (tmp_path / "meter.yaml").write_text("name: meter\n")

    said = machine.refusal(COMPUERTA_MODELS=str(tmp_path))

    assert said.count("\n") == 1
    assert said.startswith("FileRefused: ")
    assert "meter.yaml:1: " in said
    assert not (machine.directory / "postgres").exists()


def _a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


def _lives(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True

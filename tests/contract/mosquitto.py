"""A real mosquitto for tests: by the files that we write, with TLS, on a free port, in its own directory."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path

from compuerta.adapters.links.mqtt_client import Broker, broker_at
from compuerta.apps import broker_files
from compuerta.services.records import Endpoint

SECRET = bytes(32)
PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") or "mosquitto"
READY_S_MAX = 10.0


@dataclass
class Mosquitto:
    """A broker that can be ended and started again on its port."""

    directory: Path
    port: int
    words: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self.directory / "log").open("ab")
        self.process = subprocess.Popen(
            [PROGRAM, "-c", str(self.directory / broker_files.CONFIGURATION)], stdout=log, stderr=log
        )
        log.close()
        until_s = time.monotonic() + READY_S_MAX
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < until_s, (self.directory / "log").read_text()
                assert self.process.poll() is None, (self.directory / "log").read_text()
            else:
                return

    def end(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=READY_S_MAX)
            self.process = None

    def write(self, *ends: Endpoint) -> bool:
        self.words = broker_files.words_of(ends, secret=SECRET)
        place = broker_files.Place(host="127.0.0.1", port=self.port, name="localhost", user=getuser())
        return broker_files.write(self.directory, self.words, place=place, now=datetime.now(UTC))

    def at(self, user: str, *, word: str | None = None, ca: bool = True) -> Broker:
        password = self.words[user] if word is None else word
        trusted = f"?ca={self.directory / broker_files.CA}" if ca else ""
        return broker_at(f"mqtts://{user}:{password}@localhost:{self.port}{trusted}")


@contextmanager
def a_mosquitto(directory: Path, *ends: Endpoint) -> Iterator[Mosquitto]:
    """Write its files and run it until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    broker = Mosquitto(directory, port, {})
    broker.write(*ends)
    try:
        broker.start()
        yield broker
    finally:
        broker.end()

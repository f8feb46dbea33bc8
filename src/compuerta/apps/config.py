"""Settings: read once from the environment, checked at the start, named in every complaint.

COMPUERTA_DATA         directory of the database, the keys, providers.json and channels.json
DATABASE_URL           a PostgreSQL >= 15; without it an embedded server in COMPUERTA_DATA is used
COMPUERTA_HOST         address that people and providers reach us at (default 127.0.0.1)
COMPUERTA_PORT         its port (default 8000)
COMPUERTA_ROAD_HOST    address that 4G meters and DTUs dial (default COMPUERTA_HOST)
COMPUERTA_ROAD_PORT    its port (default 7645)
COMPUERTA_MQTT_URL     mqtts://user:password@host:port?ca=FILE of the broker of 4G meters (default none)
COMPUERTA_COAP_PORT    port that NB-IoT meters reach by CoAP behind DTLS, usually 5684 (default none)
COMPUERTA_COAP_BARE_PORT  the same without DTLS, on an operator's private network, usually 5683 (default none)
COMPUERTA_COAP_WINDOW_S  seconds that a sleeper's radio stays open, T3324 of its network (default 10)
COMPUERTA_OUTPOST_PORT  port that outposts beside buses connect to, by TLS (default none)
COMPUERTA_OPERATOR_URL  https://application:secret@host/path of an operator's NB-IoT platform (default none)
COMPUERTA_OPERATOR_PORT  port that it pushes to, behind a proxy with TLS (default 7647)
COMPUERTA_POLL_S       seconds between two readings of a meter (default 900)
COMPUERTA_MODELS       directory of the meter models
COMPUERTA_VIRTUAL_METERS  socket of a demonstration's virtual meters: the console gets their fault panel
COMPUERTA_WEBHOOKS     "inside" lets webhooks go to this network too, and without TLS (default outside)
"""

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from compuerta.adapters.links.mqtt_client import BrokerUrlMalformed, broker_at
from compuerta.adapters.links.operator_http import OperatorUrlMalformed, account_at
from compuerta.adapters.models import SCHEMA_FILE
from compuerta.adapters.postgres.server import default_data_dir
from compuerta.domain.errors import Refused

SECRET_BYTES = 32
_MODELS = Path(__file__).parents[3] / "models"
_HOST = re.compile(r"[0-9A-Za-z_.:-]+")
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


class SettingMalformed(Refused):
    """An environment variable that cannot be used; its value may hold a password and is not repeated."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name


class SecretMalformed(Refused):
    """A file that should hold a secret of ours, and holds something else."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} holds no key of ours; put the right file back from your backup")
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that the processes of one installation share."""

    data_dir: Path
    database_url: str | None
    host: str
    port: int
    road_host: str
    road_port: int
    poll_s: int
    models: Path
    webhooks_inside: bool = False
    coap_port: int = 0  # 0 = not opened
    coap_bare_port: int = 0
    coap_window_s: int = 10
    operator_url: str | None = None
    operator_port: int = 7647
    mqtt_url: str | None = None
    outpost_port: int = 0
    virtual_meters: Path | None = None

    @property
    def public_url(self) -> str:
        """The address under which people reach the console."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def secret(self, name: str) -> bytes:
        """Return the secret of a name, made at the first call and kept in the data directory (mode 0600).

        Refuses a data directory that cannot be written, and a file that holds anything else.
        """
        path = self.data_dir / f"{name}.key"
        try:
            if not path.exists():
                _write_once(path, secrets.token_bytes(SECRET_BYTES).hex())
            kept = path.read_text(encoding="ascii", errors="replace")
        except OSError as error:
            raise SettingMalformed("COMPUERTA_DATA", f"{error.strerror}: {error.filename}") from error
        try:
            secret = bytes.fromhex(kept)
        except ValueError as error:
            raise SecretMalformed(path) from error
        if len(secret) != SECRET_BYTES:
            raise SecretMalformed(path)
        return secret

    def kept(self, name: str, *, make: Callable[[], str]) -> Path:
        """Return a file of the data directory, made at the first call and kept (mode 0600)."""
        path = self.data_dir / name
        try:
            if not path.exists():
                _write_once(path, make())
        except OSError as error:
            raise SettingMalformed("COMPUERTA_DATA", f"{error.strerror}: {error.filename}") from error
        return path


def settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; refuses what cannot be used, by the variable's name."""
    given = os.environ if environment is None else environment
    host = _host(given, "COMPUERTA_HOST", "127.0.0.1")
    return Settings(
        data_dir=Path(given.get("COMPUERTA_DATA") or default_data_dir().parent),
        database_url=_database_url(given),
        host=host,
        port=_number(given, "COMPUERTA_PORT", 8000, most=65_535),
        road_host=_host(given, "COMPUERTA_ROAD_HOST", host),
        road_port=_number(given, "COMPUERTA_ROAD_PORT", 7645, most=65_535),
        poll_s=_number(given, "COMPUERTA_POLL_S", 900, most=86_400),
        models=_models(given),
        webhooks_inside=_inside(given),
        coap_port=_port_or_none(given, "COMPUERTA_COAP_PORT"),
        coap_bare_port=_port_or_none(given, "COMPUERTA_COAP_BARE_PORT"),
        operator_url=_operator_url(given),
        operator_port=_number(given, "COMPUERTA_OPERATOR_PORT", 7647, most=65_535),
        coap_window_s=_number(given, "COMPUERTA_COAP_WINDOW_S", 10, most=3_600),
        mqtt_url=_mqtt_url(given),
        outpost_port=_port_or_none(given, "COMPUERTA_OUTPOST_PORT"),
        virtual_meters=Path(given["COMPUERTA_VIRTUAL_METERS"])
        if given.get("COMPUERTA_VIRTUAL_METERS")
        else None,
    )


def _number(given: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    text = given.get(name) or str(default)
    if not _NUMBER.fullmatch(text) or not 0 < int(text) <= most:
        raise SettingMalformed(name, f"write a whole number from 1 to {most}")
    return int(text)


def _mqtt_url(given: Mapping[str, str]) -> str | None:
    url = given.get("COMPUERTA_MQTT_URL") or None
    if url is not None:
        try:
            broker_at(url)
        except BrokerUrlMalformed as error:
            raise SettingMalformed("COMPUERTA_MQTT_URL", str(error)) from error
    return url


def _operator_url(given: Mapping[str, str]) -> str | None:
    url = given.get("COMPUERTA_OPERATOR_URL") or None
    if url is not None:
        try:
            account_at(url)
        except OperatorUrlMalformed as error:
            raise SettingMalformed("COMPUERTA_OPERATOR_URL", str(error)) from error
    return url


def _port_or_none(given: Mapping[str, str], name: str) -> int:
    return _number(given, name, 0, most=65_535) if given.get(name) else 0


def _inside(given: Mapping[str, str]) -> bool:
    said = given.get("COMPUERTA_WEBHOOKS") or "outside"
    if said not in ("inside", "outside"):
        raise SettingMalformed("COMPUERTA_WEBHOOKS", "write inside or outside")
    return said == "inside"


def _host(given: Mapping[str, str], name: str, default: str) -> str:
    host = given.get(name) or default
    if not _HOST.fullmatch(host):
        raise SettingMalformed(name, "write a name or an address, without port or slashes")
    return host


def _models(given: Mapping[str, str]) -> Path:
    directory = Path(given.get("COMPUERTA_MODELS") or _MODELS)
    if not (directory / SCHEMA_FILE).is_file():
        raise SettingMalformed("COMPUERTA_MODELS", f"there is no {SCHEMA_FILE} in {directory}")
    return directory


def _database_url(given: Mapping[str, str]) -> str | None:
    url = given.get("DATABASE_URL") or None
    if url is not None:
        try:
            conninfo_to_dict(url)
        except ProgrammingError as error:
            raise SettingMalformed("DATABASE_URL", "write postgresql://user@host/database") from error
    return url


def _write_once(path: Path, text: str) -> None:
    """Write a file whole or not at all; where another process was faster, its file stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return
    finally:
        draft.unlink()

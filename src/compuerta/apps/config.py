"""Settings: read once from the environment, checked at the start, named in every complaint.

COMPUERTA_DATA         directory of the database, the keys and providers.json
DATABASE_URL           a PostgreSQL >= 15; without it an embedded server in COMPUERTA_DATA is used
COMPUERTA_HOST         address that people and providers reach us at (default 127.0.0.1)
COMPUERTA_PORT         its port (default 8000)
COMPUERTA_ROAD_HOST    address that 4G meters and DTUs dial (default COMPUERTA_HOST)
COMPUERTA_ROAD_PORT    its port (default 7645)
COMPUERTA_POLL_S       seconds between two readings of a meter (default 900)
COMPUERTA_MODELS       directory of the meter models
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compuerta.adapters.postgres.server import default_data_dir
from compuerta.domain.errors import Refused

_MODELS = Path(__file__).parents[3] / "models"


class SettingMalformed(Refused):
    """An environment variable that cannot be used."""

    def __init__(self, name: str, value: str, reason: str) -> None:
        super().__init__(f"{name}={value!r}: {reason}")
        self.name = name


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

    @property
    def public_url(self) -> str:
        """The address under which people reach the console."""
        return f"http://{self.host}:{self.port}"

    def secret(self, name: str) -> bytes:
        """Return the secret of a name, made at the first call and kept in the data directory (mode 0600)."""
        path = self.data_dir / f"{name}.key"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return bytes.fromhex(path.read_text(encoding="ascii"))
        with os.fdopen(handle, "w", encoding="ascii") as file:
            made = secrets.token_bytes(32)
            file.write(made.hex())
        return made


def settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; refuses what cannot be used, by the variable's name."""
    given = os.environ if environment is None else environment
    host = given.get("COMPUERTA_HOST", "127.0.0.1")
    return Settings(
        data_dir=Path(given.get("COMPUERTA_DATA") or default_data_dir().parent),
        database_url=given.get("DATABASE_URL") or None,
        host=host,
        port=_number(given, "COMPUERTA_PORT", 8000, most=65_535),
        road_host=given.get("COMPUERTA_ROAD_HOST", host),
        road_port=_number(given, "COMPUERTA_ROAD_PORT", 7645, most=65_535),
        poll_s=_number(given, "COMPUERTA_POLL_S", 900, most=86_400),
        models=Path(given.get("COMPUERTA_MODELS") or _MODELS),
    )


def _number(given: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    text = given.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= most:
        raise SettingMalformed(name, text, f"write a whole number from 1 to {most}")
    return int(text)

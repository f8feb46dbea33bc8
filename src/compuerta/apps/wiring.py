"""Wiring: which adapters stand behind the ports in this installation.

Providers are read from `providers.json` in the data directory; each entry is one merchant account:

    {"name": "wechat", "kind": "wechat", "mchid": "...", "appid": "...", "merchant_key": "apiclient_key.pem",
     "merchant_serial": "...", "api_key": "api_v3.key", "platform_keys": {"PUB_KEY_ID_...": "wechat_pub.pem"},
     "base_url": "https://...", "notify_url": "https://.../notices/wechat"}
    {"name": "till", "kind": "till", "currencies": ["CNY"]}

Paths are relative to the file. A key is never logged.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from compuerta.adapters.models import load_models
from compuerta.adapters.postgres.server import EmbeddedServer
from compuerta.apps import provider_entries
from compuerta.apps.config import Settings, settings
from compuerta.apps.entries import ENTRIES_MAX, EntryMalformed, entries_in
from compuerta.drivers.mac import MacProvider, SoftEsam
from compuerta.drivers.model import Model
from compuerta.services.payment_ports import PaymentProvider

PROVIDERS_FILE = "providers.json"


def now() -> datetime:
    """The one clock of the processes."""
    return datetime.now(UTC)


def chance(count: int) -> bytes:
    """The one source of chance of the processes."""
    return secrets.token_bytes(count)


def embedded(given: Settings) -> EmbeddedServer:
    """Return the server that serves this installation where no DATABASE_URL is given."""
    return EmbeddedServer(given.data_dir / "postgres")


def database_url(given: Settings) -> str:
    """Return the database's address, whether or not a server runs there."""
    return given.database_url or embedded(given).url


def models(given: Settings) -> dict[str, Model]:
    """Return the meter models by name."""
    return load_models(given.models)


def keys(given: Settings) -> MacProvider:
    """Return the keeper of the meters' keys: the soft one, until a key machine is wired in here."""
    return SoftEsam(given.secret("esam"))


@lru_cache(maxsize=1)
def providers() -> Mapping[str, PaymentProvider]:
    """Return the provider accounts of this installation by name; read once."""
    return providers_in(settings().data_dir / PROVIDERS_FILE)


def providers_in(path: Path) -> dict[str, PaymentProvider]:
    """Return the provider accounts that a file names; without a file there are none.

    Refuses what cannot be used, by entry and field.
    """
    return {entry.name: provider_entries.provider_of(entry) for entry in entries_in(path)}


@lru_cache(maxsize=ENTRIES_MAX)
def base_url(provider: str) -> str:
    """Return where a provider is reached; a till is reached nowhere."""
    path = settings().data_dir / PROVIDERS_FILE
    for entry in entries_in(path):
        if entry.name == provider:
            return provider_entries.base_url_of(entry)
    raise EntryMalformed(path, f"there is no provider {provider!r}")

"""Wiring: which adapters stand behind the ports in this installation.

Providers are read from `providers.json` in the data directory; each entry is one merchant account:

    {"name": "wechat", "kind": "wechat", "mchid": "...", "appid": "...", "merchant_key": "apiclient_key.pem",
     "merchant_serial": "...", "api_key": "api_v3.key", "platform_keys": {"PUB_KEY_ID_...": "wechat_pub.pem"},
     "base_url": "https://...", "notify_url": "https://.../notices/wechat"}
    {"name": "till", "kind": "till", "currencies": ["CNY"]}

Paths are relative to the file. A key is never logged.
"""

import json
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from compuerta.adapters.models import load_models
from compuerta.adapters.payments.till import CashTill
from compuerta.adapters.payments.wechat import WechatPay, WechatSettings
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps.config import Settings, settings
from compuerta.domain.errors import Refused
from compuerta.drivers.mac import MacProvider, SoftEsam
from compuerta.drivers.model import Model
from compuerta.services.payment_ports import PaymentProvider

PROVIDERS_FILE = "providers.json"
_PER_THREAD = threading.local()


class ProvidersMalformed(Refused):
    """providers.json cannot be used; the message names entry and field."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class DatabaseNotNamed(Refused):
    """A process that needs the database was started without DATABASE_URL."""

    def __init__(self) -> None:
        super().__init__("DATABASE_URL is not set; `compuerta up` starts a database and sets it")


def now() -> datetime:
    """The one clock of the processes."""
    return datetime.now(UTC)


def chance(count: int) -> bytes:
    """The one source of chance of the processes."""
    return secrets.token_bytes(count)


def database_url(given: Settings) -> str:
    """Return the database's address; refuses where none was given."""
    if given.database_url is None:
        raise DatabaseNotNamed
    return given.database_url


def store() -> PostgresStore:
    """Return this thread's store: a connection belongs to one thread."""
    kept: PostgresStore | None = getattr(_PER_THREAD, "store", None)
    if kept is None:
        kept = PostgresStore(database_url(settings()))
        _PER_THREAD.store = kept
    return kept


def models(given: Settings) -> dict[str, Model]:
    """Return the meter models by name."""
    return load_models(given.models)


def keys(given: Settings) -> MacProvider:
    """Return the keeper of the meters' keys: the soft one, until a key machine is wired in here."""
    return SoftEsam(given.secret("esam"))


@lru_cache(maxsize=1)
def providers() -> Mapping[str, PaymentProvider]:
    """Return the provider accounts of this installation by name; read once."""
    path = settings().data_dir / PROVIDERS_FILE
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except json.JSONDecodeError as error:
        raise ProvidersMalformed(path, f"line {error.lineno}: {error.msg}") from error
    found = [_provider(entry, path=path) for entry in entries]
    return {provider.name: provider for provider in found}


def base_url(provider: str) -> str:
    """Return where a provider is reached; a till is reached nowhere."""
    path = settings().data_dir / PROVIDERS_FILE
    for entry in json.loads(path.read_text(encoding="utf-8")):
        if entry["name"] == provider:
            url: str = entry.get("base_url", "")
            return url
    raise ProvidersMalformed(path, f"there is no provider {provider!r}")


def _provider(entry: dict[str, object], *, path: Path) -> PaymentProvider:
    try:
        match entry["kind"]:
            case "till":
                taken = entry["currencies"]
                assert isinstance(taken, list)
                return CashTill(str(entry["name"]), frozenset(str(currency) for currency in taken))
            case "wechat":
                return WechatPay(_wechat(entry, folder=path.parent))
            case kind:
                raise ProvidersMalformed(path, f"kind {kind!r} is not one of till, wechat")
    except KeyError as error:
        raise ProvidersMalformed(path, f"{entry.get('name', '?')}: {error.args[0]} is missing") from error
    except OSError as error:
        raise ProvidersMalformed(path, f"{entry.get('name', '?')}: {error}") from error


def _wechat(entry: dict[str, object], *, folder: Path) -> WechatSettings:
    pems = entry["platform_keys"]
    assert isinstance(pems, dict)
    return WechatSettings(
        name=str(entry["name"]),
        mchid=str(entry["mchid"]),
        appid=str(entry["appid"]),
        merchant_key_pem=(folder / str(entry["merchant_key"])).read_bytes(),
        merchant_serial=str(entry["merchant_serial"]),
        api_key=(folder / str(entry["api_key"])).read_bytes().strip(),
        platform_pems={str(serial): (folder / str(file)).read_bytes() for serial, file in pems.items()},
        base_url=str(entry["base_url"]),
        notify_url=str(entry["notify_url"]),
    )

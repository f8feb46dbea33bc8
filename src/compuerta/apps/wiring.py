"""Wiring: which adapters stand behind the ports in this installation.

Providers are read from `providers.json` in the data directory; each entry is one merchant account:

    {"name": "wechat", "kind": "wechat", "mchid": "...", "appid": "...", "merchant_key": "apiclient_key.pem",
     "merchant_serial": "...", "api_key": "api_v3.key", "platform_keys": {"PUB_KEY_ID_...": "wechat_pub.pem"},
     "base_url": "https://...", "notify_url": "https://.../notices/wechat"}
    {"name": "till", "kind": "till", "currencies": ["CNY"]}

Paths are relative to the file. A key is never logged.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from compuerta.adapters.models import load_models
from compuerta.adapters.payments.till import CashTill
from compuerta.adapters.payments.wechat import WechatPay, WechatSettings
from compuerta.adapters.postgres.server import EmbeddedServer
from compuerta.apps.config import Settings, settings
from compuerta.domain.errors import Refused
from compuerta.domain.money import minor_digits
from compuerta.drivers.mac import MacProvider, SoftEsam
from compuerta.drivers.model import Model
from compuerta.services.payment_ports import PaymentProvider

PROVIDERS_FILE = "providers.json"
PROVIDERS_MAX = 1_000  # merchant accounts of one installation
_NAME = re.compile(r"[a-z0-9_-]{1,64}", re.ASCII)


class ProvidersMalformed(Refused):
    """providers.json cannot be used; the message names entry and field."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


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
    return {entry.name: entry.provider() for entry in _entries(path)}


@lru_cache(maxsize=PROVIDERS_MAX)
def base_url(provider: str) -> str:
    """Return where a provider is reached; a till is reached nowhere."""
    path = settings().data_dir / PROVIDERS_FILE
    for entry in _entries(path):
        if entry.name == provider:
            return entry.url("base_url") if entry.kind == "wechat" else ""
    raise ProvidersMalformed(path, f"there is no provider {provider!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One entry of providers.json; every complaint names it and its field."""

    path: Path
    label: str
    fields: Mapping[str, object]

    @property
    def name(self) -> str:
        return self.text("name")

    @property
    def kind(self) -> str:
        return self.text("kind")

    def provider(self) -> PaymentProvider:
        match self.kind:
            case "till":
                return CashTill(self.name, self._currencies())
            case "wechat":
                return self._wechat()
            case kind:
                raise self.malformed("kind", f"{kind!r} is not one of till, wechat")

    def text(self, field: str) -> str:
        found = self.fields.get(field)
        if not isinstance(found, str) or not found:
            raise self.malformed(field, "is missing" if found is None else "has to be a text")
        return found

    def url(self, field: str) -> str:
        found = self.text(field)
        if not found.startswith(("https://", "http://")):
            raise self.malformed(field, "has to begin with https://")
        return found

    def malformed(self, field: str, reason: str) -> ProvidersMalformed:
        return ProvidersMalformed(self.path, f"{self.label}: {field}: {reason}")

    def _wechat(self) -> WechatPay:
        settings = WechatSettings(
            name=self.name,
            mchid=self.text("mchid"),
            appid=self.text("appid"),
            merchant_key_pem=self._read("merchant_key", self.text("merchant_key")),
            merchant_serial=self.text("merchant_serial"),
            api_key=self._read("api_key", self.text("api_key")).strip(),
            platform_pems={
                serial: self._read("platform_keys", file) for serial, file in self._platform_keys().items()
            },
            base_url=self.url("base_url"),
            notify_url=self.url("notify_url"),
        )
        try:
            return WechatPay(settings)
        except Refused as refused:
            # The keys know what is wrong with them, but not which entry they are of.
            raise ProvidersMalformed(self.path, f"{self.label}: {refused}") from refused

    def _platform_keys(self) -> dict[str, str]:
        found = self.fields.get("platform_keys")
        if (
            not isinstance(found, dict)
            or not found
            or not all(isinstance(file, str) for file in found.values())
        ):
            raise self.malformed("platform_keys", "has to name at least one file by its serial number")
        return found

    def _currencies(self) -> frozenset[str]:
        found = self.fields.get("currencies")
        if not isinstance(found, list) or not found or not all(isinstance(each, str) for each in found):
            raise self.malformed("currencies", 'has to be a list such as ["CNY"]')
        for currency in found:
            try:
                minor_digits(currency)
            except Refused as refused:
                raise self.malformed("currencies", str(refused)) from refused
        return frozenset(found)

    def _read(self, field: str, file: str) -> bytes:
        try:
            return (self.path.parent / file).read_bytes()
        except (OSError, ValueError) as error:
            raise self.malformed(field, f"{file!r} cannot be read: {error}") from error


def _entries(path: Path) -> list[_Entry]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ProvidersMalformed(path, f"cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise ProvidersMalformed(path, f"line {error.lineno}: {error.msg}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise ProvidersMalformed(path, "is not JSON in UTF-8") from error
    if not isinstance(found, list) or len(found) > PROVIDERS_MAX:
        raise ProvidersMalformed(path, f"has to be a list of at most {PROVIDERS_MAX} entries")
    entries: dict[str, _Entry] = {}
    for place, fields in enumerate(found, start=1):
        if not isinstance(fields, dict):
            raise ProvidersMalformed(path, f"entry {place} has to be an object with fields")
        entry = _Entry(path=path, label=f"entry {place}", fields=fields)
        if not _NAME.fullmatch(entry.name):
            raise entry.malformed("name", "write 1 to 64 of a-z, 0-9, _ and -: it is part of an address")
        if entry.name in entries:
            raise entry.malformed("name", f"{entry.name!r} comes twice")
        entries[entry.name] = replace(entry, label=f"entry {place} ({entry.name})")
    return list(entries.values())

"""Opens a simulated M-Pesa whose keys lie in a directory: what the one program of all providers needs."""

import secrets
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Final

from compuerta.virtual.mpesa.world import MpesaWorld, Terms

SHORTCODE: Final = "600638"
_PASSKEY, _CONSUMER_KEY, _CONSUMER_SECRET, _SECRET = "passkey", "consumer.key", "consumer.secret", "address"
_REGISTERED = "registered.url"


def world_in(directory: Path, *, public_url: str, speedup: int, random: Random, now: datetime) -> MpesaWorld:
    """Return a world with the keys of a directory; makes them where it is empty."""
    keys = _keys_in(directory)
    terms = Terms(
        shortcode=SHORTCODE,
        passkey=keys[_PASSKEY],
        consumer_key=keys[_CONSUMER_KEY],
        consumer_secret=keys[_CONSUMER_SECRET],
        # The merchant's side writes it there, before or after this program starts.
        registered=lambda: _read(directory / _REGISTERED),
    )
    return MpesaWorld(terms=terms, random=random)


def merchant_entry(
    directory: Path, *, name: str, base_url: str, notify_url: str, now: datetime
) -> dict[str, object]:
    """Return the entry of providers.json for the short code of `world_in`, and register its address there."""
    keys = _keys_in(directory)
    (directory / _REGISTERED).write_text(f"{notify_url}/{keys[_SECRET]}", encoding="utf-8")
    return {
        "name": name,
        "kind": "mpesa",
        "live": False,
        "shortcode": SHORTCODE,
        "passkey": str(directory / _PASSKEY),
        "consumer_key": str(directory / _CONSUMER_KEY),
        "consumer_secret": str(directory / _CONSUMER_SECRET),
        "secret": str(directory / _SECRET),
        "nominated_phone": "254722000000",
        "base_url": base_url,
        "notify_url": notify_url,
    }


def _keys_in(directory: Path) -> dict[str, str]:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = (_PASSKEY, _CONSUMER_KEY, _CONSUMER_SECRET, _SECRET)
    for path in (directory / name for name in names):
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(16), encoding="ascii")
    return {name: _read(directory / name) for name in names}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""

"""Opens a simulated Stripe whose keys lie in a directory: what the one program of all providers needs."""

import secrets
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Final

from compuerta.virtual.stripe.world import StripeWorld, Terms

_KEY, _SECRET, _ENDPOINT = "key", "endpoint.secret", "endpoint.url"
CURRENCIES: Final = ("EUR", "USD", "CNY", "UGX", "JPY")


def world_in(directory: Path, *, public_url: str, speedup: int, random: Random, now: datetime) -> StripeWorld:
    """Return a world with the keys of a directory; makes them where it is empty."""
    key, secret = _keys_in(directory)
    terms = Terms(
        key=key,
        secret=secret,
        # The merchant's side writes it there, before or after this program starts.
        endpoint=lambda: _read(directory / _ENDPOINT),
        public_url=public_url,
        repeat_speedup=speedup,
    )
    return StripeWorld(terms=terms, random=random)


def merchant_entry(
    directory: Path, *, name: str, base_url: str, notify_url: str, now: datetime
) -> dict[str, object]:
    """Return the entry of providers.json for the account of `world_in`, and register its address there."""
    _keys_in(directory)
    (directory / _ENDPOINT).write_text(notify_url, encoding="utf-8")
    return {
        "name": name,
        "kind": "stripe",
        "live": False,
        "key": str(directory / _KEY),
        "secrets": [str(directory / _SECRET)],
        "currencies": list(CURRENCIES),
        "base_url": base_url,
        "notify_url": notify_url,
        "return_url": f"{notify_url.partition('/notices/')[0]}/paid/{{reference}}",
    }


def _keys_in(directory: Path) -> tuple[str, bytes]:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, start in ((_KEY, "sk_test_"), (_SECRET, "whsec_")):
        path = directory / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(start + secrets.token_hex(16), encoding="ascii")
    return _read(directory / _KEY), _read(directory / _SECRET).encode("ascii")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""

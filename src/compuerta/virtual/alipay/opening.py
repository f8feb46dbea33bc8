"""Opens a simulated Alipay whose keys lie in a directory: what the one program of all providers needs."""

from datetime import datetime
from pathlib import Path
from random import Random
from typing import Final

from compuerta.virtual.alipay.keys import keys_in
from compuerta.virtual.alipay.world import AlipayWorld, Terms

APP_ID: Final = "2021000000000001"
SELLER_ID: Final = "2088000000000001"


def world_in(directory: Path, *, public_url: str, speedup: int, random: Random, now: datetime) -> AlipayWorld:
    """Return a world with the keys of a directory; makes them where it is empty.

    `public_url` is where the merchant reaches it; the payer's page is beside it.
    """
    page_url = f"{public_url.rsplit('/', 1)[0]}/pay/"
    terms = Terms(
        app_id=APP_ID,
        seller_id=SELLER_ID,
        public_url=public_url,
        repeat_speedup=speedup,
        qr_prefix=f"{page_url}?alipay=",
        page_url=page_url,
    )
    return AlipayWorld(keys=keys_in(directory, now=now).gateway(), terms=terms, random=random)


def merchant_entry(
    directory: Path, *, name: str, base_url: str, notify_url: str, now: datetime
) -> dict[str, object]:
    """Return the entry of providers.json for the app of `world_in`; its key files are made if need be."""
    keys_in(directory, now=now)
    return {
        "name": name,
        "kind": "alipay",
        "live": False,
        "app_id": APP_ID,
        "seller_id": SELLER_ID,
        "app_key": str(directory / "app_key.pem"),
        "alipay_keys": [str(directory / "alipay_public.pem")],
        "base_url": base_url,
        "notify_url": notify_url,
    }

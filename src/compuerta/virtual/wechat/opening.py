"""Opens the simulated WeChat Pay as the one program of all simulated providers wants it."""

from datetime import datetime
from pathlib import Path
from random import Random

from compuerta.virtual.wechat.identity import AUTHORISE_PATH
from compuerta.virtual.wechat.keys import keys_in
from compuerta.virtual.wechat.orders import Terms
from compuerta.virtual.wechat.world import WechatWorld

MCHID = "1900000001"
APPID = "wx0000000000000001"


def world_in(directory: Path, *, public_url: str, speedup: int, random: Random, now: datetime) -> WechatWorld:
    """Return the world whose keys are in a directory; they are made where it is empty.

    `public_url` is where the merchant reaches it; the payer's page is beside it.
    """
    page_url = f"{public_url.rsplit('/', 1)[0]}/pay/"
    terms = Terms(
        mchid=MCHID,
        appid=APPID,
        repeat_speedup=speedup,
        code_url_prefix=f"{page_url}?wechat=",
        h5_url_prefix=f"{page_url}?wechat=",
        public_url=public_url,
    )
    return WechatWorld(keys=keys_in(directory, now=now).provider(), terms=terms, random=random)


def merchant_entry(
    directory: Path, *, name: str, base_url: str, notify_url: str, now: datetime
) -> dict[str, object]:
    """Return the entry of providers.json for the merchant of `world_in`; its key files too."""
    keys = keys_in(directory, now=now)
    api_key = directory / "api_v3.key"
    api_key.write_bytes(keys.api_key)
    app_secret = directory / "app_secret.key"
    app_secret.write_text(Terms(mchid=MCHID, appid=APPID).app_secret, encoding="utf-8")
    public, certificate = directory / "platform_public_key.pem", directory / "platform_certificate.pem"
    return {
        "name": name,
        "kind": "wechat",
        "live": False,
        "flows": ["qr", "wallet", "app", "web", "code"],
        "mchid": MCHID,
        "appid": APPID,
        "merchant_key": str(directory / "merchant_key.pem"),
        "merchant_serial": keys.merchant_serial,
        "api_key": str(api_key),
        "platform_keys": {keys.public_key_id: str(public), keys.certificate_serial: str(certificate)},
        "h5_domain": "pay.example.org",
        "app_secret": str(app_secret),
        "authorise_url": f"{base_url}{AUTHORISE_PATH}",
        "identity_url": base_url,
        "base_url": base_url,
        "notify_url": notify_url,
    }

"""Opens the simulated WeChat Pay as the one program of all simulated providers wants it."""

from datetime import datetime
from pathlib import Path
from random import Random

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

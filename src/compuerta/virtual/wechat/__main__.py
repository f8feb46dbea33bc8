"""Starts the simulated provider as a program of its own: `python -m compuerta.virtual.wechat --help`."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom

import uvicorn

from compuerta.virtual.wechat.keys import keys_in
from compuerta.virtual.wechat.orders import Terms
from compuerta.virtual.wechat.server import app_for
from compuerta.virtual.wechat.world import WechatWorld


def main() -> None:
    """Serve until interrupted; the keys of both sides are in the directory that is named."""
    arguments = _arguments()
    now = datetime.now(UTC)
    keys = keys_in(arguments.keys, now=now)
    terms = Terms(
        mchid=arguments.mchid,
        appid=arguments.appid,
        repeat_speedup=arguments.speedup,
        code_url_prefix=arguments.code_url_prefix,
        public_url=f"http://{arguments.host}:{arguments.port}",
    )
    world = WechatWorld(keys=keys.provider(), terms=terms, random=SystemRandom())
    world.behave(json.loads(arguments.behaviour))
    uvicorn.run(
        app_for(world, clock=lambda: datetime.now(UTC)),
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="compuerta.virtual.wechat", description="A simulated WeChat Pay v3 with one merchant account."
    )
    parser.add_argument("--keys", type=Path, required=True, help="directory of the keys; made if empty")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8701)
    parser.add_argument("--mchid", default="1900000001")
    parser.add_argument("--appid", default="wx0000000000000001")
    parser.add_argument("--speedup", type=int, default=1, help="divides the waits between repeated notices")
    parser.add_argument("--code-url-prefix", default=Terms.__dataclass_fields__["code_url_prefix"].default)
    parser.add_argument("--behaviour", default="{}", help="JSON, such as '{\"lost_ppm\": 200000}'")
    return parser.parse_args()


if __name__ == "__main__":
    main()

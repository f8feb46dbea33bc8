"""Serves all simulated providers as one program: `python -m compuerta.virtual.providers --help`."""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Final

import uvicorn

from compuerta.virtual.alipay import opening as alipay
from compuerta.virtual.mpesa import opening as mpesa
from compuerta.virtual.providers.server import app_for
from compuerta.virtual.providers.worlds import World
from compuerta.virtual.stripe import opening as stripe
from compuerta.virtual.wechat import opening as wechat

OPENINGS: Final[dict[str, Callable[..., World]]] = {
    "wechat": wechat.world_in,
    "alipay": alipay.world_in,
    "stripe": stripe.world_in,
    "mpesa": mpesa.world_in,
}


def main() -> None:
    """Serve until interrupted; the keys of each provider are in a directory of its name."""
    arguments = _arguments()
    public_url = arguments.public_url or f"http://{arguments.host}:{arguments.port}"
    opened = partial(_opened, keys=arguments.keys, public_url=public_url, speedup=arguments.speedup)
    worlds = [opened(name) for name in arguments.only or OPENINGS]
    for name, wishes in json.loads(arguments.behaviour).items():
        next(world for world in worlds if world.name == name).behave(wishes)
    uvicorn.run(
        app_for(worlds, clock=lambda: datetime.now(UTC)),
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
    )


def _opened(name: str, *, keys: Path, public_url: str, speedup: int) -> World:
    return OPENINGS[name](
        keys / name,
        public_url=f"{public_url}/{name}",
        speedup=speedup,
        random=SystemRandom(),
        now=datetime.now(UTC),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="compuerta.virtual.providers",
        description="Simulated payment providers, with one page at /pay/ on which a person pays.",
    )
    parser.add_argument("--keys", type=Path, required=True, help="directory of the keys; made if empty")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8701)
    parser.add_argument("--public-url", default="", help="where others reach it, if not by host and port")
    parser.add_argument("--only", nargs="*", choices=sorted(OPENINGS), help="some of them; all where absent")
    parser.add_argument("--speedup", type=int, default=1, help="divides the waits between repeated notices")
    parser.add_argument(
        "--behaviour", default="{}", help='JSON by provider, such as \'{"alipay": {"lost_ppm": 200000}}\''
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()

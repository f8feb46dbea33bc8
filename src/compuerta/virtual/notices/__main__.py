"""Starts the carriers of words as one program: `python -m compuerta.virtual.notices --help`."""

import argparse
import asyncio
from datetime import UTC, datetime

import uvicorn

from compuerta.virtual.notices.aliyun import AliyunSide
from compuerta.virtual.notices.server import Carriers, app_for
from compuerta.virtual.notices.smtp import MailSide, MailTerms
from compuerta.virtual.notices.webhook import AppSide
from compuerta.virtual.notices.wechat import WechatSide
from compuerta.virtual.notices.world import NoticesWorld


def main() -> None:
    """Serve until interrupted; the keys of these carriers open nothing, and are the same for everybody."""
    asyncio.run(_serve(_arguments()))


async def _serve(arguments: argparse.Namespace) -> None:
    world = NoticesWorld()
    carriers = Carriers(
        world=world,
        aliyun=AliyunSide(world, key_id=arguments.key_id, secret=arguments.key.encode()),
        wechat=WechatSide(world, appid=arguments.appid, secret=arguments.key),
        app=AppSide(world, key=arguments.key.encode()),
        receipts_url=arguments.receipts,
    )
    mail = MailSide(world, MailTerms(), clock=_clock)
    config = uvicorn.Config(
        app_for(carriers, clock=_clock), host=arguments.host, port=arguments.port, log_level="warning"
    )
    async with mail.listening(host=arguments.host, port=arguments.smtp_port):
        await uvicorn.Server(config).serve()


def _clock() -> datetime:
    return datetime.now(UTC)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="compuerta.virtual.notices", description="Simulated carriers: mail, texts, WeChat, an app."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8702)
    parser.add_argument("--smtp-port", type=int, default=8725)
    parser.add_argument("--key-id", default="LTAI0000000000000001")
    parser.add_argument("--appid", default="wx0000000000000002")
    parser.add_argument("--key", default="virtual-carriers-key", help="the secret of every account here")
    parser.add_argument("--receipts", default="", help="where receipts of texts are posted")
    return parser.parse_args()


if __name__ == "__main__":
    main()

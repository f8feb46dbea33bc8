"""The serial port on a pty: exclusive use, and coming back after the device was gone."""

import asyncio
import os
import tty
from pathlib import Path

import pytest

from compuerta.adapters.links import serial_bus
from compuerta.services.link_port import Link

PATIENCE_S = 5.0


def a_pty() -> tuple[int, int]:
    master, slave = os.openpty()
    tty.setraw(master)
    return master, slave


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_a_second_user_of_the_port_is_told_so_and_does_not_get_it() -> None:
    async def scene() -> None:
        master, slave = a_pty()
        opened: asyncio.Queue[Link] = asyncio.Queue()
        failed: asyncio.Queue[serial_bus.PortNotOpened] = asyncio.Queue()
        path = os.ttyname(slave)
        first = serial_bus.SerialBus(path, opened=opened.put_nowait, not_opened=failed.put_nowait)
        second = serial_bus.SerialBus(path, opened=opened.put_nowait, not_opened=failed.put_nowait)

        async with asyncio.timeout(PATIENCE_S):
            holding = asyncio.create_task(first.run())
            await opened.get()
            wanting = asyncio.create_task(second.run())
            error = await failed.get()
        await stop(holding, wanting)
        os.close(master)
        os.close(slave)

        assert error.reason == "is in use by another process"
        assert opened.empty()

    asyncio.run(scene())


def test_a_pseudo_terminal_is_opened_again_after_its_holder_was_killed() -> None:
    async def scene() -> None:
        master, slave = a_pty()
        opened: asyncio.Queue[Link] = asyncio.Queue()
        failed: asyncio.Queue[serial_bus.PortNotOpened] = asyncio.Queue()
        path = os.ttyname(slave)

        async with asyncio.timeout(PATIENCE_S):
            for _ in range(3):
                bus = serial_bus.SerialBus(path, opened=opened.put_nowait, not_opened=failed.put_nowait)
                holding = asyncio.create_task(bus.run())
                await opened.get()
                await stop(holding)
        os.close(master)
        os.close(slave)

        assert failed.empty()

    asyncio.run(scene())


@pytest.mark.slow
def test_a_device_that_comes_back_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        monkeypatch.setattr(serial_bus, "BACKOFF_S_MIN", 0.01)
        opened: asyncio.Queue[Link] = asyncio.Queue()
        failed: asyncio.Queue[serial_bus.PortNotOpened] = asyncio.Queue()
        port = tmp_path / "bus"
        bus = serial_bus.SerialBus(str(port), opened=opened.put_nowait, not_opened=failed.put_nowait)
        running = asyncio.create_task(bus.run())

        async with asyncio.timeout(PATIENCE_S):
            missing = await failed.get()
            await asyncio.sleep(0.05)  # several tries in vain
            master, slave = a_pty()
            port.symlink_to(os.ttyname(slave))
            await opened.get()
            os.close(master)
            os.close(slave)
            port.unlink()
            master, slave = a_pty()
            port.symlink_to(os.ttyname(slave))
            await opened.get()
        await stop(running)
        os.close(master)
        os.close(slave)

        assert missing.reason == "is not there"
        assert failed.empty()  # a failure is told when it starts, not each time between

    asyncio.run(scene())

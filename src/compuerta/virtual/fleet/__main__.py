"""A fleet as a process of its own: `python -m compuerta.virtual.fleet --config FILE`.

When everything is open it writes one line of JSON, the roads with their devices; SIGTERM or SIGINT ends it.
"""

import argparse
import asyncio
import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from compuerta.virtual.broker import BrokerServer
from compuerta.virtual.fleet.config import FleetPlan, plan_from, roads_from
from compuerta.virtual.fleet.control import Fleet, serve
from compuerta.virtual.fleet.world import World


def main() -> None:
    """Run the fleet of a file until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m compuerta.virtual.fleet", description=__doc__)
    parser.add_argument(
        "--config", type=Path, required=True, help="JSON file; see compuerta.virtual.fleet.config"
    )
    config = json.loads(parser.parse_args().config.read_text(encoding="utf-8"))
    plan = plan_from(config)
    world = World(started_at=datetime.now(UTC), factor=plan.factor)
    asyncio.run(_run(Fleet(roads_from(config, world=world), world=world), plan))


async def _run(fleet: Fleet, plan: FleetPlan) -> None:
    stop = asyncio.Event()
    for signal_no in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_no, stop.set)
    broker = BrokerServer(plan.broker.guests) if plan.broker else None
    if broker is not None and plan.broker is not None:
        await broker.open(host=plan.broker.host, port=plan.broker.port)
    for road in fleet.roads.values():
        road.start()
    control = await serve(fleet, path=plan.control) if plan.control else None
    sys.stdout.write(json.dumps(fleet.obey({"order": "roads"})) + "\n")
    sys.stdout.flush()
    await stop.wait()
    if control is not None:
        control.close()
    for road in fleet.roads.values():
        await road.shut()
    if broker is not None:
        await broker.shut()


if __name__ == "__main__":
    main()

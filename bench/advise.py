"""The adviser on two estates of two thousand meters: what it finds, and what nothing can cost less than.

The floor of the same run is each place on the cheapest road that it can have for itself alone.

python -m bench.advise [--seconds 45]
"""

import argparse
import sys
import time
from random import Random

from compuerta.adapters.solver import search, start
from compuerta.domain.advice import Costing, Signal, Spot, Target
from compuerta.domain.advice_plan import plan_minor, problem_of

SECONDS_MAX = 60  # in which two thousand meters have to be planned
BUILDINGS = 10


def estate(*, floors: int, places: int, meters: tuple[int, ...]) -> list[Spot]:
    """Buildings in rows, with cellars that hear nothing and a network in each entrance."""
    chance = Random(7)
    spots = []
    for building in range(BUILDINGS):
        east_cm, north_cm = building % 4 * 6_000, building // 4 * 5_000
        street_dbm = chance.choice((-85, -95, -100, -106))
        for floor in range(-1, floors - 1):
            for place in range(places):
                rsrp_dbm = street_dbm - chance.randint(0, 8) - (25 if floor < 0 else 0)
                spots.append(
                    Spot(
                        name=f"{building} {floor}-{place}",
                        building=str(building),
                        floor=floor,
                        x_cm=east_cm + place % 5 * 700,
                        y_cm=north_cm + place // 5 * 900,
                        meters=chance.choice(meters),
                        mobile=Signal(rsrp_dbm=rsrp_dbm),
                        nbiot=Signal(rsrp_dbm=rsrp_dbm + chance.randint(-3, 5)),
                        lan=floor == 0 and place == 0,
                    )
                )
    return spots


def main() -> int:
    """Plan both estates and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=45)
    limit_ms = parser.parse_args().seconds * 1_000
    slow = False
    for name, spots in (
        ("cabinets", estate(floors=13, places=1, meters=(8, 12, 16, 20, 24))),
        ("flats", estate(floors=20, places=10, meters=(1,))),
    ):
        problem = problem_of(spots, costing=Costing(), target=Target())
        began = time.monotonic()
        answer = search.solve(problem, limit_ms=limit_ms, on_progress=lambda cost, least: None)
        took_s = time.monotonic() - began
        slow = slow or took_s > SECONDS_MAX
        alone = start.by_air(problem, range(len(problem.units)))
        meters = sum(unit.meters for unit in problem.units)
        sys.stdout.write(
            f"{name}: {meters} meters in {len(problem.units)} places, {took_s:.1f} s; "
            f"{answer.cost_minor} against {plan_minor(problem, alone)} by air, "
            f"which leaves {len(alone.unmet)} places without; "
            f"never below {answer.least_minor}, a gap of {answer.gap_ppm / 10_000:.1f} %\n"
        )
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())

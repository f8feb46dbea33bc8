"""A million balance changes against five levels each: which of them warn, and none twice.

A hundred thousand accounts use electricity ten times each, and some recharge between. What is timed is what
`deducting` and `closing` ask: `alert_many.based` and `alert_many.spoken`. All warnings are judged after it:
those of every account are compared with what `alert` says of it one by one, and no level speaks twice without
having been armed between. The floor is comparing balances with levels, with nothing kept of it, in the
same run.

    python bench/crossings.py [--accounts 100000] [--rounds 3]
"""

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np

from compuerta.domain import alert, alert_many
from compuerta.domain.policy import Level, LevelKind
from compuerta.domain.tariff.columns import Bools, Int64s

LEVELS = alert.ordered(
    [Level(kind=LevelKind.MONEY, value=value) for value in (5_000, 2_000, 1_000, 500, 100)]
)
CHANGES = 10  # of each account
TARGET_S = 5.0
SEED = 20_261_122


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What happens to balances, by turn and account."""

    was_minor: Int64s
    is_minor: Int64s
    recharged: Bools


def main() -> None:
    """Print the time, the floor and their ratio; fail where a warning is wrong or the time too long."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    changes = some_changes(arguments.accounts)
    taken_s, floor_s = [], []
    for _ in range(arguments.rounds):
        began_s = time.perf_counter()
        places = decided(changes)
        taken_s.append(time.perf_counter() - began_s)
        began_s = time.perf_counter()
        compared(changes)
        floor_s.append(time.perf_counter() - began_s)
    warnings = int(np.count_nonzero(places >= 0))
    judge(changes, places)
    count, best_s, least_s = places.size, min(taken_s), min(floor_s)
    told(f"{count:,} changes against {len(LEVELS)} levels: {best_s:.3f} s, {warnings:,} warnings, none twice")
    told(f"  {count / best_s:,.0f} a second; floor {least_s:.3f} s, ratio {best_s / least_s:.1f}")
    assert best_s < TARGET_S, f"{best_s:.1f} s; wished for less than {TARGET_S:.0f} s"


def some_changes(accounts: int) -> Changes:
    """Balances that fall, mostly, from anywhere below 100; one in eight is recharged before a use."""
    chance = np.random.default_rng(SEED)
    balance = chance.integers(-200, 10_000, accounts)
    was, after, recharged = [], [], []
    for _ in range(CHANGES):
        paid = np.where(chance.random(accounts) < 0.125, chance.integers(1, 6_000, accounts), 0)
        was.append(balance + paid)
        recharged.append(paid > 0)
        balance = was[-1] - chance.integers(0, 1_500, accounts)
        after.append(balance)
    return Changes(was_minor=np.array(was), is_minor=np.array(after), recharged=np.array(recharged))


def decided(changes: Changes) -> Int64s:
    """Return which level speaks at each change, by turn and account; -1 = none."""
    accounts = changes.was_minor.shape[1]
    warned, warned_of = np.zeros(accounts, np.int64), np.zeros(accounts, np.int64)
    places = np.empty(changes.was_minor.shape, np.int64)
    for turn in range(CHANGES):
        was_minor = changes.was_minor[turn]
        spoken = alert_many.spoken(
            LEVELS,
            was_minor=was_minor,
            is_minor=changes.is_minor[turn],
            warned=alert_many.based(LEVELS, was_minor=was_minor, warned=warned, warned_of=warned_of),
            recharged=changes.recharged[turn],
        )
        warned, places[turn] = spoken.warned, spoken.place
        warned_of = np.full(accounts, alert.mark(LEVELS))
    return places


def compared(changes: Changes) -> int:
    """Compare each change with each level and keep nothing of it: whatever decides does that at least."""
    fallen = 0
    for turn in range(CHANGES):
        for level in LEVELS:
            crosses = (changes.is_minor[turn] <= level.value) & (changes.was_minor[turn] > level.value)
            fallen += int(np.count_nonzero(crosses))
    return fallen


def judge(changes: Changes, places: Int64s) -> None:
    """Say of every account again, one by one, what its levels have to say."""
    for account in range(places.shape[1]):
        warned, armed = None, [True] * len(LEVELS)
        for turn in range(CHANGES):
            was, is_now = int(changes.was_minor[turn, account]), int(changes.is_minor[turn, account])
            values = [was] * len(LEVELS)
            if warned is None:
                warned = alert.passed(LEVELS, values)
            recharged = bool(changes.recharged[turn, account])
            warned = alert.rearmed(LEVELS, values, warned, recharged=recharged)
            said, warned = alert.crossings(LEVELS, [is_now] * len(LEVELS), warned)
            place = int(places[turn, account])
            assert (LEVELS[place] if place >= 0 else None) == said, (account, turn)
            armed = [each or was > level.value for each, level in zip(armed, LEVELS, strict=True)]
            if place >= 0:
                assert armed[place], f"account {account}: {LEVELS[place].key} speaks twice"
                armed[place] = False


def told(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

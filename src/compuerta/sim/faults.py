"""What can go wrong in a run, drawn anew for each: which faults exist, and how strong they are.

Most runs have some of them and no run has all at full strength: rare mixes are found because each run's world
is different, not because every run is chaos.
"""

from dataclasses import dataclass
from random import Random

PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The faults of one run; zero and False mean that this world does not have them."""

    # the roads: shares of transmissions
    lost_ppm: int = 0
    twice_ppm: int = 0
    damaged_ppm: int = 0  # one byte is changed
    late_ppm: int = 0  # seconds late: the answer meets another question
    echo: bool = False  # a half-duplex converter that hears itself
    cut_every_s: int = 0  # an endpoint is away for seconds to minutes
    outpost_cut_every_s: int = 0  # the bus has an outpost, and the platform is away for minutes
    first_way_dies: bool = False  # of a meter that has two; it never comes back
    kept_ppm: int = 0  # of what is sent to a sleeper: the network keeps it until the sleeper wakes
    # the meters
    power_cut_every_s: int = 0
    forgotten_ppm: int = 0  # the meter says yes, and browns out before it writes
    clock_off_s_max: int = 0
    stuck_relay: bool = False
    register_backwards: bool = False
    # the provider
    outage_every_s: int = 0
    notice_lost_ppm: int = 0
    notice_twice_ppm: int = 0
    notice_late_ms_max: int = 0
    probe_ppm: int = 0
    wrong_amount_ppm: int = 0  # of payments: told once more, well signed, with another amount
    forged_ppm: int = 0  # of notices: a stranger sends it too, changed
    stranger_orders: bool = False  # money for orders that nobody here knows
    race_on_close: bool = False
    # the carriers of words
    carrier_down_ppm: int = 0  # of letters: not taken
    carrier_mute_ppm: int = 0  # of letters: taken, and no answer comes
    # ourselves
    database_away_every_s: int = 0
    commit_unheard_ppm: int = 0  # of transactions: committed, and the connection breaks before we hear it
    crash_ppm: int = 0  # of transactions: the role dies before or after the commit
    crash_every_s: int = 0  # a role dies between two steps
    two_gateways: bool = False
    skew_ms_max: int = 0  # of the roles' wall clocks


CALM = Faults()


def drawn(chance: Random) -> Faults:
    """Draw the faults of a run; each exists in about every third one."""

    def some(least: int, most: int) -> int:
        exists = chance.randrange(3) == 0
        amount = chance.randint(least, most)
        return amount if exists else 0

    return Faults(
        lost_ppm=some(5_000, 300_000),
        twice_ppm=some(5_000, 200_000),
        damaged_ppm=some(5_000, 400_000),
        late_ppm=some(5_000, 150_000),
        echo=bool(some(1, 1)),
        cut_every_s=some(300, 2_400),
        outpost_cut_every_s=some(400, 2_000),
        first_way_dies=bool(some(1, 1)),
        kept_ppm=some(100_000, 1_000_000),
        power_cut_every_s=some(600, 3_600),
        forgotten_ppm=some(20_000, 300_000),
        clock_off_s_max=some(10, 90_000),
        stuck_relay=chance.randrange(16) == 0,
        register_backwards=chance.randrange(6) == 0,
        outage_every_s=some(300, 1_800),
        notice_lost_ppm=some(10_000, 600_000),
        notice_twice_ppm=some(10_000, 500_000),
        notice_late_ms_max=some(1_000, 90_000),
        probe_ppm=some(10_000, 300_000),
        wrong_amount_ppm=some(50_000, 400_000),
        forged_ppm=some(50_000, 400_000),
        stranger_orders=bool(some(1, 1)),
        race_on_close=bool(some(1, 1)),
        carrier_down_ppm=some(50_000, 500_000),
        carrier_mute_ppm=some(20_000, 300_000),
        database_away_every_s=some(200, 1_800),
        commit_unheard_ppm=some(2_000, 50_000),
        crash_ppm=some(2_000, 60_000),
        crash_every_s=some(120, 1_800),
        two_gateways=bool(some(1, 1)),
        skew_ms_max=some(50, 3_000),
    )

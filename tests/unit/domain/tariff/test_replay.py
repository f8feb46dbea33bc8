"""A new tariff on old use."""

from collections.abc import Iterator
from fractions import Fraction

from tests.unit.domain.tariff.parts import a_schedule, a_span, a_tariff, an_energy, utc

from compuerta.domain.tariff.components import Account, Fixed, Window
from compuerta.domain.tariff.replay import Difference, History, replay, summary

MAY = utc(2026, 5, 1)
JUNE = utc(2026, 6, 1)
OLD = a_schedule(a_tariff(an_energy(("1",))))
NEW = a_schedule(
    a_tariff(
        an_energy(("0.5", "2"), bounds_wh=[100_000]),
        Fixed(name="Standing", account=Account.FIXED, amount=Fraction(10), per=Window.CYCLE),
    )
)


def a_history(number: int, *, energy_wh: int) -> History:
    """May's use of one flat."""
    return History(account_id=number, spans=(a_span(MAY, JUNE, energy_wh),))


def test_who_pays_more_is_told_why() -> None:
    [large] = replay([a_history(1, energy_wh=150_000)], old=OLD, new=NEW, start=MAY)

    assert (large.old_minor, large.new_minor, large.more_minor) == (15_000, 16_000, 1_000)
    assert large.differences == (
        Difference(name="Standing", period="", old_minor=0, new_minor=1_000, step=None),
    )
    assert large.reason is large.differences[0]


def test_a_step_that_rises_is_named() -> None:
    steep = a_schedule(a_tariff(an_energy(("0.5", "3"), bounds_wh=[100_000])))

    [large] = replay([a_history(1, energy_wh=150_000)], old=NEW, new=steep, start=MAY)

    assert large.reason == Difference(name="Energy", period="p0", old_minor=15_000, new_minor=20_000, step=1)
    assert large.differences[1].more_minor == -1_000


def test_differences_add_up_to_that_of_the_totals() -> None:
    histories = [a_history(number, energy_wh=number * 7_919) for number in range(40)]

    found = list(replay(histories, old=OLD, new=NEW, start=MAY))

    assert [each.account_id for each in found] == list(range(40))
    for each in found:
        assert sum(difference.more_minor for difference in each.differences) == each.more_minor


def test_the_summary_counts_everybody_once() -> None:
    # 20 kWh cost 20 and 20; 60 cost 60 and 40; 150 cost 150 and 160; 200 cost 200 and 260.
    histories = [
        a_history(number, energy_wh=energy_wh)
        for number, energy_wh in enumerate([20_000, 60_000, 150_000, 200_000])
    ]

    found = summary(replay(histories, old=OLD, new=NEW, start=MAY))

    assert (found.dearer, found.cheaper, found.same) == (2, 1, 1)
    assert (found.old_minor, found.new_minor) == (43_000, 48_000)
    assert found.most_dearer is not None
    assert found.most_cheaper is not None
    assert (found.most_dearer.account_id, found.most_cheaper.account_id) == (3, 1)
    assert sum(each.more_minor for each in found.differences) == 5_000


def test_who_pays_the_same_has_no_reason() -> None:
    [same] = replay([a_history(1, energy_wh=20_000)], old=OLD, new=NEW, start=MAY)

    assert (same.more_minor, same.reason) == (0, None)


def test_a_replay_goes_one_account_at_a_time() -> None:
    taken = []

    def histories() -> Iterator[History]:
        for number in range(3):
            taken.append(number)
            yield a_history(number, energy_wh=1_000)

    replayed = replay(histories(), old=OLD, new=NEW, start=MAY)
    next(replayed)

    assert taken == [0]


def test_nobody_is_a_summary_of_nothing() -> None:
    assert summary([]).old_minor == summary([]).dearer == 0

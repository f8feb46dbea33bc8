"""OpenEI rates: what they come to, what of their dirt is normalised, what is refused and where."""

import json
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import pytest

from compuerta.domain.money import CurrencyUnknown
from compuerta.domain.tariff.checking import check
from compuerta.domain.tariff.civil import table_of
from compuerta.domain.tariff.components import Fixed, Minimum, Scale, Window
from compuerta.domain.tariff.document import mapping_of, tariff_from
from compuerta.domain.tariff.urdb import UrdbMalformed, monthly_totals, tariff_from_urdb

NIGHT = [[0] * 24] * 12
DAY = [0] * 7 + [1] * 9 + [2] * 5 + [0] * 3
SEASONS = [DAY] * 5 + [DAY[::-1]] * 4 + [DAY] * 3

Rate = dict[str, object]


def a_rate(**fields: object) -> Rate:
    """A price of 0.1 a kWh and nothing else."""
    return {
        "energyratestructure": [[{"rate": 0.1, "unit": "kWh"}]],
        "energyweekdayschedule": NIGHT,
        "energyweekendschedule": NIGHT,
        **fields,
    }


def a_stepped_rate(unit: str, *bounds: float) -> Rate:
    """Three periods of three tiers, with other prices for each."""
    first, second = bounds
    return a_rate(
        energyratestructure=[
            [
                {"max": first, "rate": low, "unit": unit},
                {"max": second, "rate": middle, "unit": unit},
                {"rate": high, "adj": 0.0123, "unit": unit},
            ]
            for low, middle, high in ((0.1, 0.2, 0.35), (0.31, 0.25, 0.11), (0.4242424, 0.5, 0.75))
        ],
        energyweekdayschedule=SEASONS,
    )


FLAT: Rate = {
    "flatdemandstructure": [[{"max": 2, "rate": 3.5}, {"rate": 5.25, "adj": 0.5}], [{"rate": 7.1}]],
    "flatdemandmonths": [0] * 4 + [1] * 5 + [0] * 3,
}
BY_TIME: Rate = {
    "demandratestructure": [
        [{"rate": 0}],
        [{"max": 2.5, "rate": 4}, {"rate": 9.99}],
        [{"max": 2.5, "rate": 1.5}, {"rate": 2.5}],
    ],
    "demandweekdayschedule": [DAY] * 12,
    "demandweekendschedule": NIGHT,
}
YEAR_MINIMUM: Rate = {
    "fixedchargefirstmeter": 0.75,
    "fixedchargeunits": "$/day",
    "mincharge": 2500,
    "minchargeunits": "$/year",
}
DAY_MINIMUM: Rate = {
    "fixedchargefirstmeter": 99,
    "fixedchargeunits": "$/year",
    "mincharge": 5.5,
    "minchargeunits": "$/day",
}


@cache
def a_load(per_hour: int) -> list[int]:
    """A year of use that no two hours of a day have alike."""
    return [(200 + at * 7_919 % 3_001 + at // 700 % 7 * 250) // per_hour for at in range(365 * 24 * per_hour)]


# Monthly bills by NREL-PySAM 7.1.1.post1 utilityrate5, rounded to six decimals: name, rate, intervals in an
# hour, mode, January to December.
PYSAM = [
    (
        "kWh",
        a_stepped_rate("kWh", 300, 900),
        1,
        "chronological",
        "345.622248 353.893668 489.327062 538.520821 625.120965 655.100135 "
        "644.407054 373.819206 418.560432 508.933381 543.923472 647.521663",
    ),
    (
        "kWh",
        a_stepped_rate("kWh", 300, 900),
        4,
        "proportional",
        "459.092071 523.130242 527.761679 506.348598 619.065478 443.765614 "
        "589.439866 529.51184 503.150385 618.728797 448.399463 587.311336",
    ),
    (
        "kWh-daily",
        a_stepped_rate("kWh daily", 12.5, 40),
        1,
        "chronological",
        "311.522583 334.114946 452.622725 509.429592 584.113395 617.618869 "
        "599.658501 334.319055 383.037582 465.101951 509.328604 607.18256",
    ),
    (
        "kWh-daily",
        a_stepped_rate("kWh daily", 12.5, 40),
        4,
        "proportional",
        "421.726845 498.449907 489.006127 472.110913 581.323574 409.306241 "
        "550.738102 492.18094 467.514731 580.759886 415.4755 547.27176",
    ),
    (
        "kWh/kW",
        a_stepped_rate("kWh/kW", 100, 300),
        1,
        "chronological",
        "336.37132 340.893432 460.210165 496.600152 573.333543 603.067187 "
        "581.695118 358.317675 389.443772 470.126161 504.260387 596.63912",
    ),
    (
        "kWh/kW",
        a_stepped_rate("kWh/kW", 100, 300),
        4,
        "proportional",
        "418.942955 463.148702 476.607432 445.981942 560.708716 383.434493 "
        "529.580786 480.392009 440.438582 559.743141 390.51196 525.216068",
    ),
    (
        "kWh/kW-daily",
        a_stepped_rate("kWh/kW daily", 3.5, 9),
        1,
        "chronological",
        "339.85923 352.967448 467.768037 510.344316 580.492266 612.960369 "
        "588.209893 363.226041 406.279789 477.047619 511.719167 601.816678",
    ),
    (
        "kWh/kW-daily",
        a_stepped_rate("kWh/kW daily", 3.5, 9),
        4,
        "proportional",
        "425.597365 486.185345 483.9127 458.876395 568.245743 396.374433 "
        "537.27875 487.455312 453.808602 567.337897 402.937041 533.152083",
    ),
    (
        "power",
        a_rate(**FLAT, **BY_TIME),
        4,
        "chronological",
        "210.99156 239.23828 236.26126 234.86824 276.4968 227.81848 "
        "268.8443 246.2414 245.6459 265.50272 217.71268 258.48194",
    ),
    (
        "ratchet",
        a_rate(**FLAT, lookbackpercent=0.9, lookbackrange=3),
        4,
        "chronological",
        "176.5382 198.31 198.2607 193.7802 235.4886 187.1702 "
        "227.9561 208.4606 204.7377 224.5046 176.6146 217.3239",
    ),
    (
        "day-fixed",
        a_rate(**YEAR_MINIMUM),
        1,
        "chronological",
        "150.4871 154.1277 188.0074 201.338 226.5368 238.8407 "
        "233.0665 155.0584 168.9807 194.188 207.3837 381.985",
    ),
    (
        "day-minimum",
        a_rate(**DAY_MINIMUM),
        1,
        "chronological",
        "167.291667 167.291667 173.4449 186.7755 211.9743 224.2782 "
        "218.504 167.291667 167.291667 179.6255 192.8212 217.8548",
    ),
]


@pytest.mark.parametrize(
    ("rate", "per_hour", "mode", "expected"),
    [row[1:] for row in PYSAM],
    ids=[f"{name}-{per_hour}-{mode}" for name, _, per_hour, mode, _ in PYSAM],
)
@pytest.mark.slow
def test_a_year_s_bills_are_those_of_pysam(rate: Rate, per_hour: int, mode: str, expected: str) -> None:
    totals = monthly_totals(rate, a_load(per_hour), 60 // per_hour, 2018, mode, "month")

    for total, month in zip(totals, expected.split(), strict=True):
        assert abs(total - Fraction(month)) <= Fraction(1, 1_000_000)


def recounted(rate: Rate, wh: list[int], year: int, *, proportional: bool) -> list[Fraction]:
    """Annual tiers by the plainest reading: watt-hour by watt-hour would give the same."""
    tiers, schedule = rate["energyratestructure"], rate["energyweekdayschedule"]
    assert isinstance(tiers, list)
    assert isinstance(schedule, list)
    month_wh = [[0] * len(tiers) for _ in range(12)]
    costs = [Fraction(0)] * 12
    total = 0
    for at, energy_wh in enumerate(wh):
        day = date(year, 1, 1) + timedelta(days=at // 24)
        period = schedule[day.month - 1][at % 24] if day.weekday() < 5 else 0
        month_wh[day.month - 1][period] += energy_wh
        costs[day.month - 1] += cost(tiers[period], total, total + energy_wh)
        total += energy_wh
    if not proportional:
        return costs
    total = 0
    for month, parts in enumerate(month_wh):
        whole = sum(parts)
        shared = [cost(tiers[period], total, total + whole) * part for period, part in enumerate(parts)]
        costs[month] = sum(shared, Fraction(0)) / whole
        total += whole
    return costs


def cost(tiers: list[dict[str, float]], start_wh: int, end_wh: int) -> Fraction:
    """What the stretch of a running total costs at one period's tiers."""
    money, below = Fraction(0), 0
    for tier in tiers:
        above = int(tier["max"] * 1_000) if "max" in tier else end_wh
        inside = max(min(end_wh, above) - max(start_wh, below), 0)
        money += inside * (Fraction(str(tier["rate"])) + Fraction(str(tier.get("adj", 0)))) / 1_000
        below = above
    return money


@pytest.mark.slow
@pytest.mark.parametrize("year", [2018, 2024])
@pytest.mark.parametrize("mode", ["chronological", "proportional"])
def test_tiers_of_a_year_are_counted_through_it_in_leap_years_too(mode: str, year: int) -> None:
    rate = a_stepped_rate("kWh", 3_000, 12_000)
    wh = (a_load(1) + a_load(1)[:24])[: (366 if year == 2024 else 365) * 24]

    totals = monthly_totals(rate, wh, 60, year, mode, "year")

    assert totals == recounted(rate, wh, year, proportional=mode == "proportional")


def test_no_use_at_all_costs_the_fixed_charge() -> None:
    rate = a_stepped_rate("kWh/kW daily", 3.5, 9) | FLAT | {"fixedmonthlycharge": 7.25}

    totals = monthly_totals(rate, [0] * 8_760, 60, 2018, "proportional", "month")

    assert totals == [Fraction("7.25")] * 12


# What is normalised.


def same(one: Rate, other: Rate) -> bool:
    return tariff_from_urdb(one) == tariff_from_urdb(other)


@pytest.mark.parametrize("unlimited", [0, 1e38, 1e14, 10**12, "1e38", None])
def test_a_bound_beyond_all_use_is_none(unlimited: object) -> None:
    tiers = [{"max": 100, "rate": 1}, {"max": unlimited, "rate": 2}]

    assert same(
        a_rate(energyratestructure=[tiers]),
        a_rate(energyratestructure=[[{"max": 100, "rate": 1}, {"rate": 2}]]),
    )


def test_the_last_tier_takes_all_that_is_left() -> None:
    bounded = a_rate(energyratestructure=[[{"max": 100, "rate": 1}, {"max": 300, "rate": 2}]])

    assert same(bounded, a_rate(energyratestructure=[[{"max": 100, "rate": 1}, {"rate": 2}]]))


@pytest.mark.parametrize("written", [0.0421641, "0.0421641", Decimal("0.0421641"), 421641e-7])
def test_a_price_is_the_digits_that_were_written(written: object) -> None:
    tariff = tariff_from_urdb(a_rate(energyratestructure=[[{"rate": written}]]))

    assert tariff.energy.periods[0].ladder.prices == (Fraction(421_641, 10_000_000),)


def test_what_a_float_s_arithmetic_left_is_no_digit() -> None:
    tariff = tariff_from_urdb(
        a_rate(energyratestructure=[[{"rate": 0.1 + 0.2, "max": 10.1 * 1.3}, {"rate": 1e-05}]])
    )

    assert tariff.energy.periods[0].ladder.prices == (Fraction("0.3"), Fraction("0.00001"))
    assert tariff.energy.periods[0].ladder.bounds == (13_130,)


def test_period_numbers_may_be_whole_floats_and_one_period_needs_no_schedule() -> None:
    plain: Rate = {"energyratestructure": [[{"rate": 0.1, "unit": "kWh"}]]}

    assert same(plain, a_rate())
    assert same(a_rate(energyweekdayschedule=[[0.0] * 24] * 12), a_rate())


def test_old_names_of_charges_say_the_same() -> None:
    new = a_rate(fixedchargefirstmeter=9, fixedchargeunits="$/month", mincharge=20, minchargeunits="$/month")

    assert same(a_rate(fixedmonthlycharge=9, minmonthlycharge=20), new)
    assert same(new | {"fixedmonthlycharge": 9.0}, new)


def test_charges_keep_their_own_length_in_a_tariff() -> None:
    tariff = tariff_from_urdb(a_rate(**YEAR_MINIMUM))

    fixed = next(each for each in tariff.components if isinstance(each, Fixed))
    minimum = next(each for each in tariff.components if isinstance(each, Minimum))
    assert (fixed.amount, fixed.per) == (Fraction("0.75"), Window.DAY)
    assert (minimum.amount, minimum.per) == (Fraction(2_500), Window.YEAR)


def test_what_costs_nothing_is_left_out() -> None:
    zeros = a_rate(
        flatdemandstructure=[[{"rate": 0}]],
        flatdemandmonths=[0] * 12,
        demandratestructure=[[{"rate": 0.0}]],
        fixedchargefirstmeter=0,
        mincharge=None,
        fueladjustmentsmonthly=[0] * 12,
        demandreactivepowercharge=0,
        coincidentratestructure=[[{"rate": 0}]],
        lookbackrange=11,
    )

    assert same(zeros, a_rate())


def test_months_that_are_alike_are_one_season_round_the_year() -> None:
    tariff = tariff_from_urdb(a_stepped_rate("kWh", 300, 900))

    seasons = tariff.energy.calendar.seasons
    assert [(season.name, season.start.month) for season in seasons] == [
        ("Jun to Sep", 6),
        ("Oct to May", 10),
    ]


def test_every_hour_of_the_year_has_the_period_of_its_cell() -> None:
    rate = a_stepped_rate("kWh", 300, 900)
    calendar = tariff_from_urdb(rate).energy.calendar

    for at in range(365):
        day = date(2026, 1, 1) + timedelta(days=at)
        slots = table_of(calendar, day).slots
        row = SEASONS[day.month - 1] if day.weekday() < 5 else NIGHT[0]
        shown = [
            next(slot.period for slot in reversed(slots) if slot.start_min <= hour * 60) for hour in range(24)
        ]
        assert shown == row, day


def test_thirteen_flat_structures_are_thirteen_periods() -> None:
    rate = a_rate(
        flatdemandstructure=[[{"rate": 0}], *([{"rate": 18.05}] for _ in range(12))],
        flatdemandmonths=list(range(1, 13)),
    )

    (demand,) = tariff_from_urdb(rate).demands

    assert len(demand.periods) == 13
    assert [
        table_of(demand.calendar, date(2026, month, 1)).slots[0].period for month in range(1, 13)
    ] == list(range(1, 13))


@pytest.mark.parametrize(
    ("unit", "scale"),
    [
        ("kWh", Scale.NONE),
        ("KWH Daily", Scale.DAY),
        ("kWh/kW", Scale.KW),
        (" kwh/kw daily", Scale.KW_DAY),
        (None, Scale.NONE),
    ],
)
def test_a_bound_s_unit_is_the_steps_scale(unit: str | None, scale: Scale) -> None:
    rate = a_rate(energyratestructure=[[{"max": 10, "rate": 1, "unit": unit}, {"rate": 2, "unit": "kWh"}]])

    assert tariff_from_urdb(rate).energy.steps.scale is scale


def test_a_tariff_goes_through_checks_and_documents() -> None:
    rate = a_stepped_rate("kWh/kW daily", 3.5, 9) | FLAT | BY_TIME | YEAR_MINIMUM
    rate |= {"name": "Schedule 7\n(TOU)", "utility": "Town Light", "demandwindow": 15}

    tariff = tariff_from_urdb(json.loads(json.dumps(rate)), tier_accumulation=Window.YEAR)

    assert tariff.name == "Town Light - Schedule 7 (TOU)"
    assert [demand.interval_min for demand in tariff.demands] == [15, 15]
    assert check(tariff) == []
    assert tariff_from(mapping_of(tariff)) == tariff


def test_a_price_below_nothing_is_meant() -> None:
    tariff = tariff_from_urdb(a_rate(energyratestructure=[[{"rate": 0.01, "adj": -0.02}]]))

    assert tariff.energy.negative_allowed
    assert check(tariff) == []


# What is refused.

REFUSED: list[tuple[Rate, str]] = [
    ({"energyratestructure": None}, "energyratestructure"),
    ({"energyratestructure": {}}, "energyratestructure"),
    ({"energyratestructure": "[[0.1]]"}, "energyratestructure"),
    ({"energyratestructure": [[]]}, "energyratestructure[0]"),
    ({"energyratestructure": [0.1]}, "energyratestructure[0]"),
    ({"energyratestructure": [[0.1]]}, "energyratestructure[0][0]"),
    ({"energyratestructure": [[{"max": 100}, {"rate": 2}]]}, "energyratestructure[0][0].rate"),
    ({"energyratestructure": [[{"rate": True}]]}, "energyratestructure[0][0].rate"),
    ({"energyratestructure": [[{"rate": "1/3"}]]}, "energyratestructure[0][0].rate"),
    ({"energyratestructure": [[{"rate": float("nan")}]]}, "energyratestructure[0][0].rate"),
    ({"energyratestructure": [[{"rate": "1e999999999"}]]}, "energyratestructure[0][0].rate"),
    ({"energyratestructure": [[{"rate": 1, "adj": []}]]}, "energyratestructure[0][0].adj"),
    ({"energyratestructure": [[{"rate": 1, "unit": "hp"}]]}, "energyratestructure[0][0].unit"),
    ({"energyratestructure": [[{"rate": 1, "max": -5}]]}, "energyratestructure[0][0].max"),
    ({"energyratestructure": [[{"rate": 1}, {"rate": 2}]]}, "energyratestructure[0][0].max"),
    (
        {"energyratestructure": [[{"max": 9, "rate": 1}, {"max": 9, "rate": 2}, {"rate": 3}]]},
        "energyratestructure[0][1].max",
    ),
    ({"energyratestructure": [[{"max": 0.0005, "rate": 1}, {"rate": 2}]]}, "energyratestructure[0][0].max"),
    (
        {
            "energyratestructure": [
                [{"max": 9, "rate": 1, "unit": "kWh"}, {"rate": 2}],
                [{"max": 9, "rate": 1, "unit": "kWh daily"}, {"rate": 2}],
            ]
        },
        "energyratestructure",
    ),
    ({"energyratestructure": [[{"rate": 1}]] * 65}, "energyratestructure"),
    ({"energyratestructure": [[{"rate": 1}] * 33]}, "energyratestructure[0]"),
    ({"energyratestructure": [[{"rate": 1}]] * 2, "energyweekdayschedule": None}, "energyweekdayschedule"),
    ({"energyweekdayschedule": NIGHT[:11]}, "energyweekdayschedule"),
    ({"energyweekdayschedule": [*NIGHT, NIGHT[0]]}, "energyweekdayschedule"),
    ({"energyweekdayschedule": [*NIGHT[:3], [0] * 23, *NIGHT[4:]]}, "energyweekdayschedule[3]"),
    (
        {"energyweekendschedule": [*NIGHT[:3], [0] * 17 + [1] + [0] * 6, *NIGHT[4:]]},
        "energyweekendschedule[3][17]",
    ),
    ({"energyweekdayschedule": [[0.5] * 24] * 12}, "energyweekdayschedule[0][0]"),
    ({"energyweekdayschedule": [[-1] * 24] * 12}, "energyweekdayschedule[0][0]"),
    (FLAT | {"flatdemandmonths": [2] * 12}, "flatdemandmonths[0]"),
    (FLAT | {"flatdemandmonths": None}, "flatdemandmonths"),
    (FLAT | {"flatdemandunit": "hp"}, "flatdemandunit"),
    ({"flatdemandstructure": [[{"rate": 1, "unit": "kVA"}]]}, "flatdemandstructure[0][0].unit"),
    ({"demandrateunit": "kW daily"}, "demandrateunit"),
    ({"demandwindow": 90}, "demandwindow"),
    (BY_TIME | {"demandweekendschedule": None}, "demandweekendschedule"),
    (BY_TIME | {"lookbackpercent": 0.8, "lookbackrange": 11}, "lookbackpercent"),
    (FLAT | {"lookbackpercent": 80, "lookbackrange": 11}, "lookbackpercent"),
    (FLAT | {"lookbackpercent": 0.8}, "lookbackrange"),
    (
        FLAT | {"lookbackpercent": 0.8, "lookbackrange": 11, "lookbackmonths": [0, 1] * 6},
        "lookbackmonths",
    ),
    ({"fixedchargefirstmeter": 5}, "fixedchargeunits"),
    ({"fixedchargefirstmeter": 5, "fixedchargeunits": "$/week"}, "fixedchargeunits"),
    (
        {"fixedchargefirstmeter": 5, "fixedchargeunits": "$/month", "fixedmonthlycharge": 6},
        "fixedmonthlycharge",
    ),
    ({"mincharge": 5, "minchargeunits": "$/day"}, "minchargeunits"),
    ({"minmonthlycharge": 5, "annualmincharge": 50}, "annualmincharge"),
    ({"fueladjustmentsmonthly": [0] * 11 + [0.002]}, "fueladjustmentsmonthly"),
    ({"demandreactivepowercharge": 0.25}, "demandreactivepowercharge"),
    ({"coincidentratestructure": [[{"rate": 12.5}]]}, "coincidentratestructure"),
]


@pytest.mark.parametrize(("fields", "field"), REFUSED, ids=range(len(REFUSED)))
def test_what_has_no_one_meaning_is_refused_with_its_field(fields: Rate, field: str) -> None:
    with pytest.raises(UrdbMalformed) as refused:
        tariff_from_urdb(a_rate(**fields))

    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")


def test_a_currency_that_is_not_known_is_refused() -> None:
    with pytest.raises(CurrencyUnknown):
        tariff_from_urdb(a_rate(), currency="XYZ")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"wh": [0] * 8_759}, "wh"),
        ({"wh": [0] * 8_759 + [-1]}, "wh"),
        ({"year": 2024}, "wh"),
        ({"year": 10_000}, "year"),
        ({"interval_minutes": 7}, "interval_minutes"),
        ({"interval_minutes": 0}, "interval_minutes"),
        ({"tier_mode": "slab"}, "tier_mode"),
        ({"tier_accumulation": "day"}, "tier_accumulation"),
    ],
)
def test_a_year_that_cannot_be_billed_is_refused(changed: Rate, field: str) -> None:
    given: dict[str, Any] = {
        "rate": a_rate(),
        "wh": [0] * 8_760,
        "interval_minutes": 60,
        "year": 2018,
        "tier_mode": "chronological",
        "tier_accumulation": "month",
    }

    with pytest.raises(UrdbMalformed) as refused:
        monthly_totals(**given | changed)

    assert refused.value.field == field


def test_a_rate_is_left_as_it_was_given() -> None:
    rate = a_stepped_rate("kWh", 300, 900) | FLAT | DAY_MINIMUM
    before = json.dumps(rate)

    monthly_totals(rate, [0] * 8_760, 60, 2018, "chronological", "month")

    assert json.dumps(rate) == before

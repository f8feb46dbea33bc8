"""Documents of tariffs to test with: one that has everything, and all that Hypothesis can think of."""

from collections.abc import Sequence
from copy import deepcopy
from datetime import date
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from compuerta.domain.tariff.reading import Tree

FULL: dict[str, Tree] = {
    "name": "Everything",
    "currency": "CNY",
    "cycle_day": 15,
    "rounding": {"place": "lines", "mode": "half_even"},
    "components": [
        {
            "kind": "energy",
            "name": "Energy",
            "periods": [
                {"name": "peak", "role": "peak", "prices": ["0.617", "0.667", "0.917"]},
                {"name": "valley", "role": "valley", "prices": ["0.307", "0.357", "0.607"]},
            ],
            "steps": {
                "window": "year",
                "bounds_kwh": ["3120", "4800.5"],
                "scale": "person",
                "on_change": "prorate",
                "prorate_moves": True,
                "year_start": "03-15",
                "household": {"persons": 5, "extra_kwh": "100"},
            },
            "day_tables": {
                "rest": ["00:00 valley"],
                "working": ["00:00 valley", "06:00 peak", "22:00 valley"],
            },
            "seasons": [
                {
                    "name": "winter",
                    "from": "01-15",
                    "weekdays": "working",
                    "saturday": "working",
                    "sunday": "rest",
                    "holidays": {"national": "rest"},
                },
                {"name": "summer", "from": "07-01", "every day": "working"},
            ],
            "holidays": {"national": ["2026-10-01", "2026-10-02"]},
        },
        {"kind": "per_kwh", "name": "Lighting", "account": "levy", "price": "0.02"},
        {"kind": "fixed", "name": "Standing charge", "account": "fixed", "amount": "5", "per": "month"},
        {
            "kind": "demand",
            "name": "Peak power",
            "interval_minutes": 30,
            "periods": [
                {"name": "day", "prices": ["38"], "bounds_kw": []},
                {"name": "night", "prices": ["19", "25"], "bounds_kw": ["10"]},
            ],
            "day_tables": {"any": ["00:00 night", "06:30 day"]},
            "ratchet": {"months": 11, "percent": "80"},
        },
        {"kind": "percent", "name": "VAT", "account": "tax", "percent": "13", "base": ["Energy", "Lighting"]},
        {"kind": "allowance", "name": "Free units", "energy_kwh": "50", "counts_in_steps": True},
        {"kind": "minimum", "name": "Minimum", "amount": "10", "per": "cycle"},
        {"kind": "recovery", "name": "Arrears", "percent": "25", "least": "1.00"},
    ],
}


def changed(place: str, value: object) -> dict[str, object]:
    """Return the full document with another value at a place such as `components.0.name`."""
    document: dict[str, object] = deepcopy(FULL)
    node: object = document
    *path, last = place.split(".")
    for key in path:
        node = node[int(key)] if isinstance(node, list) else node[key]
    if isinstance(node, list):
        node[int(last)] = value
    else:
        node[last] = value
    return document


names = st.text("abc 年ñ-.", min_size=1, max_size=12).filter(lambda text: text == text.strip())
prices = st.decimals(min_value=0, max_value=9_999, places=9).map(lambda price: f"{price:f}")
kwh = st.decimals(min_value=Decimal("0.001"), max_value=99_999, places=3).map(lambda amount: f"{amount:f}")
percents = st.integers(min_value=1, max_value=10_000).map(lambda share: f"{Decimal(share) / 100:f}")
month_days = st.dates(date(2025, 1, 1), date(2025, 12, 31)).map(lambda day: f"{day:%m-%d}")
accounts = st.sampled_from(["energy", "fixed", "tax", "levy", "fee", "subsidy"])
windows = st.sampled_from(["day", "month", "cycle", "quarter", "year"])


@st.composite
def documents(draw: DrawFn) -> dict[str, Tree]:
    """Any document without faults."""
    extras = draw(st.lists(st.sampled_from(sorted(_EXTRAS)), max_size=5, unique=True))
    labels = draw(st.lists(names, min_size=len(extras) + 1, max_size=len(extras) + 1, unique=True))
    components: list[Tree] = [draw(_energies(labels[0]))]
    for kind, label in zip(extras, labels[1:], strict=True):
        components.append({"kind": kind, "name": label, **draw(_EXTRAS[kind])})
    return {
        "name": draw(names),
        "currency": draw(st.sampled_from(["CNY", "EUR", "VND", "ZAR"])),
        "cycle_day": draw(st.integers(1, 28)),
        "rounding": {
            "place": draw(st.sampled_from(["lines", "net", "gross", "running"])),
            "mode": draw(st.sampled_from(["half_up", "half_even"])),
        },
        "components": components,
    }


_EXTRAS: dict[str, SearchStrategy[dict[str, Tree]]] = {
    "per_kwh": st.fixed_dictionaries({"account": accounts, "price": prices}),
    "fixed": st.fixed_dictionaries({"account": accounts, "amount": prices, "per": windows}),
    "percent": st.fixed_dictionaries({"account": accounts, "percent": percents}),
    "allowance": st.fixed_dictionaries(
        {"energy_kwh": kwh, "window": windows, "counts_in_steps": st.booleans()}
    ),
    "minimum": st.fixed_dictionaries({"amount": prices, "per": st.sampled_from(["cycle", "year"])}),
    "recovery": st.fixed_dictionaries({"percent": percents, "least": st.sampled_from(["0", "5", "12"])}),
}


@st.composite
def _energies(draw: DrawFn, label: str) -> dict[str, Tree]:
    periods = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    own = draw(st.booleans())
    shared = draw(_rising)
    ladders = [draw(_rising) if own else shared for _ in periods]
    energy: dict[str, Tree] = {
        "kind": "energy",
        "name": label,
        "periods": [
            {
                "name": name,
                "role": draw(st.sampled_from(["sharp", "peak", "flat", "valley", "deep_valley"])),
                "prices": [*draw(st.lists(prices, min_size=len(ladder) + 1, max_size=len(ladder) + 1))],
                **({"bounds_kwh": [*ladder]} if own else {}),
            }
            for name, ladder in zip(periods, ladders, strict=True)
        ],
        "steps": {
            "window": draw(windows),
            "scope": draw(st.sampled_from(["total", "period"])),
            "scale": draw(st.sampled_from(["none", "day", "person", "kw"])),
            "on_change": draw(st.sampled_from(["continue", "reset", "prorate"])),
            "prorate_moves": draw(st.booleans()),
            "year_start": draw(month_days.filter(lambda day: day[3:] <= "28")),
            "household": draw(st.sampled_from([{}, {"persons": 5, "extra_kwh": "100.5"}])),
            **({} if own else {"bounds_kwh": [*shared]}),
        },
    }
    return energy | draw(_calendars(periods))


_rising = st.lists(st.integers(1, 10**8), max_size=3, unique=True).map(
    lambda bounds: [f"{Decimal(bound) / 1_000:f}" for bound in sorted(bounds)]
)
_minutes = st.lists(st.integers(1, 1_439), max_size=4, unique=True).map(lambda minutes: [0, *sorted(minutes)])


@st.composite
def _calendars(draw: DrawFn, periods: Sequence[str]) -> dict[str, Tree]:
    tables = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    any_table = st.sampled_from(tables)
    starts = sorted(draw(st.lists(month_days, min_size=1, max_size=3, unique=True)))
    labels = draw(st.lists(names, min_size=len(starts), max_size=len(starts), unique=True))
    dates = draw(st.lists(st.dates(date(2020, 1, 1), date(2040, 12, 31)), max_size=3, unique=True))
    return {
        "day_tables": {
            table: [
                f"{minute // 60:02}:{minute % 60:02} {draw(st.sampled_from(periods))}"
                for minute in draw(_minutes)
            ]
            for table in tables
        },
        "seasons": [
            {
                "name": label,
                "from": start,
                "weekdays": draw(any_table),
                "saturday": draw(any_table),
                "sunday": draw(any_table),
                "holidays": {"national": draw(any_table)},
            }
            for label, start in zip(labels, starts, strict=True)
        ],
        "holidays": {"national": [day.isoformat() for day in dates]},
    }

"""Tariffs made short, a meter that holds as much as the standard allows, and what becomes of the two."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.fitting import (
    Loading,
    MeterProfile,
    MeterTables,
    PriceProfile,
    Unfit,
    fit,
)

PRICES = PriceProfile(bounds_max=6, settlements_max=4)
METER = MeterProfile(
    zones_max=14,
    day_tables_max=8,
    slots_max=14,
    rates_max=8,
    holidays_max=254,
    has_weekend=True,
    prices=PRICES,
)
NEW_YEAR = datetime(2027, 1, 1)  # noqa: DTZ001 the site's wall clock; a Friday
ALL_YEAR = {"name": "all year", "from": "01-01"}
TWO_PERIODS = [
    {"name": "peak", "role": "peak", "prices": ["0.60"]},
    {"name": "valley", "role": "valley", "prices": ["0.30"]},
]
DAY_AND_NIGHT = ["00:00 valley", "06:00 peak", "22:00 valley"]


def a_tariff(
    *,
    others: tuple[Mapping[str, object], ...] = (),
    top: Mapping[str, object] | None = None,
    **energy: object,
) -> Tariff:
    """A tariff of one price, except for what a test gives its energy component, beside it, or on top."""
    component = {
        "kind": "energy",
        "name": "Energy",
        "periods": [{"name": "flat", "prices": ["0.53"]}],
    } | energy
    return tariff_from({"name": "A", "currency": "CNY", "components": [component, *others]} | dict(top or {}))


def a_calendar(**seasons: object) -> dict[str, object]:
    return {
        "periods": TWO_PERIODS,
        "day_tables": {"work": DAY_AND_NIGHT, "rest": ["00:00 valley"]},
        "seasons": [ALL_YEAR | {"every day": "work"} | seasons],
    }


def steps(bounds: int = 1, **changes: object) -> dict[str, object]:
    """So many bounds, each with a price 0.10 above the one before."""
    return {
        "periods": [{"name": "flat", "prices": [f"{0.5 + 0.1 * step:.2f}" for step in range(bounds + 1)]}],
        "steps": {"bounds_kwh": [str(100 * at) for at in range(1, bounds + 1)]} | changes,
    }


def loading(at: datetime = NEW_YEAR, **changes: object) -> Loading:
    return replace(Loading(at=at), **changes)


def fitted(tariff: Tariff, *, profile: MeterProfile = METER, **changes: object) -> MeterTables:
    tables = fit(tariff, profile=profile, loading=loading(**changes))
    assert isinstance(tables, MeterTables), tables
    return tables


def places(tariff: Tariff, *, profile: MeterProfile = METER, **changes: object) -> list[str]:
    """Where a tariff does not fit."""
    unfit = fit(tariff, profile=profile, loading=loading(**changes))
    assert isinstance(unfit, Unfit), unfit
    assert all(misfit.reason for misfit in unfit.misfits)
    return [misfit.place for misfit in unfit.misfits]


def energy(name: str) -> list[str]:
    return [f"components[0].{name}"]

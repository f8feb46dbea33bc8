"""The tariffs of a town: steps and hours so small that an hour's storm goes through all of them.

Who deducts in the meter has steps; a reading then tells all that money depends on. Who is billed by the
platform has hours and taxes as well. In the storm each tariff gets a new version: the meters' only moves a
bound that nobody reaches, so that a late table may be late without money being wrong; the platform's changes
prices.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

from compuerta.domain.tariff.components import (
    Account,
    Calendar,
    DayTable,
    Energy,
    Fixed,
    Ladder,
    MonthDay,
    Percent,
    Period,
    Season,
    Slot,
    Steps,
    Tariff,
    Window,
)
from compuerta.domain.tariff.flat import ALWAYS, WEEKDAYS
from compuerta.virtual.meter import Ladder as MeterLadder
from compuerta.virtual.meter import Slot as MeterSlot
from compuerta.virtual.meter import TariffTables, Zone

CURRENCY = "CNY"
PRICES_E4 = (5_300, 6_177, 4_983, 10_000)  # 0.0001 of the major unit per kWh; some do not divide
BOUNDS_WH: tuple[int, ...] = (2_000, 9_000)
ADD_ON_E4: tuple[int, ...] = (0, 700, 2_450)
FAR_WH = 900_000  # a bound that nobody reaches in an hour
PRICE_E4 = 10_000
HOURS_EVERY = timedelta(minutes=20)
_FLAT_RATE = 3  # the rate of a period without another role


def stepped(price_e4: int, *, far_wh: int | None = None) -> Tariff:
    """Return one price and three steps: what a meter deducts by itself; `far_wh` adds a fourth."""
    bounds, add_on = (BOUNDS_WH, ADD_ON_E4)
    if far_wh is not None:
        bounds, add_on = (*BOUNDS_WH, far_wh), (*ADD_ON_E4, ADD_ON_E4[-1])
    prices = tuple(Fraction(price_e4 + more, PRICE_E4) for more in add_on)
    period = Period(name="all day", ladder=Ladder(bounds=bounds, prices=prices))
    energy = Energy(name="Energy", calendar=ALWAYS, periods=(period,), steps=Steps())
    return Tariff(name=f"Steps {price_e4}", currency=CURRENCY, components=(energy,))


def tables_of(price_e4: int) -> TariffTables:
    """Return the tables of `stepped`, as a meter has them when it is installed."""
    return TariffTables(
        zones=(Zone(month=1, day=1, table_no=1),),
        day_tables=((MeterSlot(hour=0, minute=0, rate=_FLAT_RATE),),),
        rate_prices_e4=(price_e4,) * 4,
        ladder=MeterLadder(bounds_wh=BOUNDS_WH, prices_e4=ADD_ON_E4, settlements=()),
    )


def hourly(price_e4: int, *, start: datetime) -> Tariff:
    """Return steps by hours that change every twenty minutes from `start` (local), with a tax and days."""
    minutes = [(start + number * HOURS_EVERY).time() for number in range(6)]
    changes = (
        Slot(start_min=each.hour * 60 + each.minute, period=number % 2 + 1)
        for number, each in enumerate(minutes)
    )
    calendar = Calendar(
        day_tables=(DayTable(name="every day", slots=(Slot(start_min=0, period=0), *changes)),),
        seasons=(Season(name="all year", start=MonthDay(month=1, day=1), days=(0,) * WEEKDAYS),),
    )
    periods = tuple(
        Period(
            name=name,
            ladder=Ladder(
                bounds=BOUNDS_WH,
                prices=tuple(Fraction((price_e4 + more) * weight, 2 * PRICE_E4) for more in ADD_ON_E4),
            ),
        )
        for name, weight in (("night", 1), ("peak", 3), ("flat", 2))
    )
    energy = Energy(name="Energy", calendar=calendar, periods=periods, steps=Steps())
    vat = Percent(name="VAT", account=Account.TAX, share=Fraction(13, 100))
    days = Fixed(name="Meter", account=Account.FIXED, amount=Fraction(1, 10), per=Window.DAY)
    return Tariff(name=f"Hours {price_e4}", currency=CURRENCY, components=(energy, days, vat))


def renewed(tariff: Tariff) -> Tariff:
    """Return a tariff's next version: what meters deduct by costs the same, the rest is a tenth dearer."""
    if len(tariff.components) > 1:
        return _dearer(tariff)
    price = tariff.energy.periods[0].ladder.prices[0]
    return replace(stepped(int(price * PRICE_E4), far_wh=FAR_WH), name=tariff.name)


def _dearer(tariff: Tariff) -> Tariff:
    """Return the same with every price a tenth up."""
    energy = tariff.energy
    periods = tuple(
        replace(
            period,
            ladder=replace(
                period.ladder, prices=tuple(price * Fraction(11, 10) for price in period.ladder.prices)
            ),
        )
        for period in energy.periods
    )
    others = tuple(each for each in tariff.components if each is not energy)
    return replace(tariff, components=(replace(energy, periods=periods), *others))

"""A resident's statement as lines to read, in a language: for screens, paper and spreadsheets alike."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from compuerta.domain import account_words, receipt_words
from compuerta.domain.contact import Language
from compuerta.domain.party import zone_of
from compuerta.services.history_port import Recharged, Tenancy
from compuerta.services.receipt_sheet import clock, mask
from compuerta.services.resident_statements import Effect, Moved, ResidentStatement, StatementDay
from compuerta.services.sheet import Cell, Chart, Column, Figure, Point, Sheet, Table, Unit, Writer

SUPPOSED = "≈"


def _nowhere(_what: object) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where a reader finds what a day has cost, and the receipt of a recharge."""

    day: Callable[[date], str] = _nowhere
    recharge: Callable[[UUID], str] = _nowhere


PAPER = Paths()  # has no links


def resident_sheet(
    statement: ResidentStatement, *, language: Language, paths: Paths = PAPER, masked: bool = False
) -> Sheet:
    """Write a statement in a language; `masked` hides whose it is."""
    return _Told(statement, language, paths).sheet(masked=masked)


def where(tenancy: Tenancy) -> str:
    """Return how people call a place, from the site down."""
    return " · ".join(dict.fromkeys(each for each in (tenancy.site, tenancy.building, tenancy.place) if each))


class _Told:
    """A statement's parts, in one language."""

    def __init__(self, statement: ResidentStatement, language: Language, paths: Paths) -> None:
        self._it = statement
        self._language = language
        self._paths = paths
        self._writer = Writer(language=language, currency=statement.tenancy.currency)
        self._zone = zone_of(statement.tenancy.zone)

    def sheet(self, *, masked: bool) -> Sheet:
        tenancy = self._it.tenancy
        name = mask(tenancy.name) if masked else tenancy.name
        tables = (self._recharges(), self._days(), self._adjustments(), self._debts())
        return Sheet(
            language=self._language,
            currency=tenancy.currency,
            owner=tenancy.organisation,
            title=f"{self._word('resident_title')} {self._it.month}",
            subtitle=f"{where(tenancy)} · {name}",
            notes=tuple(self._notes()),
            figures=self._figures(),
            charts=(self._chart(),),
            tables=tuple(table for table in tables if table is not None),
            foot=f"{where(tenancy)} · {self._it.month} · {tenancy.zone}",
        )

    def _word(self, name: str) -> str:
        return account_words.word(name, language=self._language)

    def _notes(self) -> Iterator[str]:
        if not self._it.is_over:
            yield self._word("so_far").format(at=clock(self._it.until, zone=self._zone))
        if self._it.disagreeing:
            days = ", ".join(f"{day:%m-%d}" for day in self._it.disagreeing)
            yield self._word("disagrees").format(days=days)
        if self._it.days_missing:
            yield self._word("days_missing").format(count=self._it.days_missing)

    def _figures(self) -> tuple[Figure, ...]:
        it, money = self._it, self._writer.money
        on_its_way = ""
        if it.undelivered_minor:
            amount = self._writer.money_text(it.undelivered_minor)
            on_its_way = self._word("undelivered").format(amount=amount)
        return (
            Figure(label=self._word("opening"), cell=money(it.opening_minor)),
            Figure(label=self._word("recharged"), cell=money(it.minor(Effect.RECHARGED))),
            Figure(label=self._word("charged"), cell=money(it.minor(Effect.CHARGED))),
            Figure(label=self._word("adjusted"), cell=money(it.minor(Effect.ADJUSTED))),
            Figure(label=self._word("closing"), cell=money(it.closing_minor), note=on_its_way),
            Figure(label=self._word("energy"), cell=self._writer.energy(it.used_wh)),
        )

    def _chart(self) -> Chart:
        points = tuple(
            Point(
                label=f"{each.day.day}",
                amount=each.used_wh,
                text=f"{each.day:%m-%d}: {self._used(each).text}",
                is_supposed=each.is_provisional,
            )
            for each in self._it.days
        )
        return Chart(title=self._word("energy_by_day"), unit=Unit.ENERGY, points=points)

    def _recharges(self) -> Table | None:
        made = [each for each in self._it.moved if each.effect is Effect.RECHARGED]
        if not made:
            return None
        heads = (
            ("when", Unit.TEXT), ("way", Unit.TEXT), ("reference", Unit.TEXT), ("parts", Unit.TEXT),
            ("paid", Unit.MONEY), ("credit", Unit.MONEY),
        )  # fmt: skip
        paid_minor = sum(each.recharge.paid_minor for each in made if each.recharge is not None)
        sums = [self._writer.text(self._word("sum")), *(self._writer.text("") for _ in range(3))]
        return Table(
            title=self._word("recharged"),
            columns=self._columns(*heads),
            rows=(
                *(self._recharge(each) for each in made),
                (
                    *sums,
                    self._writer.money(paid_minor),
                    self._writer.money(self._it.minor(Effect.RECHARGED)),
                ),
            ),
            sums=1,
        )

    def _recharge(self, moved: Moved) -> tuple[Cell, ...]:
        text, money = self._writer.text, self._writer.money
        at, recharge = text(self._clock(moved)), moved.recharge
        if recharge is None:
            way = text(self._word(moved.kind.value))
            return at, way, text(""), text(""), money(0), money(moved.credit_minor)
        kind = recharge.provider.partition("-")[0]
        way = text(receipt_words.word(kind, language=self._language) if kind else self._word("given"))
        return (
            text(at.text, path=self._paths.recharge(recharge.recharge_id)),
            way,
            text(recharge.reference),
            text(self._parts(recharge)),
            money(recharge.paid_minor),
            money(moved.credit_minor),
        )

    def _parts(self, recharge: Recharged) -> str:
        return ", ".join(
            f"{line.name or receipt_words.word(line.kind.value, language=self._language)} "
            f"{self._writer.money_text(line.amount_minor)}"
            for line in recharge.lines
        )

    def _days(self) -> Table:
        names = ("opening", "recharged", "adjusted", "charged", "closing")
        heads = (("day", Unit.TEXT), *((name, Unit.MONEY) for name in names), ("energy", Unit.ENERGY))
        return Table(
            title=self._word("days"),
            columns=self._columns(*heads),
            rows=tuple(self._day(each) for each in self._it.days if each.tells),
            note=self._word("days_note"),
        )

    def _day(self, day: StatementDay) -> tuple[Cell, ...]:
        money, path = self._writer.money, self._paths.day(day.day) if day.is_explained else ""
        is_alert = day.agrees is False
        return (
            self._writer.text(day.day.isoformat(), path=path, is_alert=is_alert),
            money(day.opening_minor),
            money(day.recharged_minor),
            money(day.adjusted_minor),
            money(day.charged_minor),
            money(day.closing_minor, is_alert=is_alert),
            self._used(day),
        )

    def _used(self, day: StatementDay) -> Cell:
        used = self._writer.energy(day.used_wh)
        return replace(used, text=f"{SUPPOSED} {used.text}") if day.is_provisional else used

    def _adjustments(self) -> Table | None:
        made = [each for each in self._it.moved if each.effect is Effect.ADJUSTED]
        if not made:
            return None
        text, money = self._writer.text, self._writer.money
        rows = [
            (text(self._clock(each)), text(self._word(each.kind.value)), money(each.credit_minor))
            for each in made
        ]
        total = money(self._it.minor(Effect.ADJUSTED))
        return Table(
            title=self._word("adjusted"),
            columns=self._columns(("when", Unit.TEXT), ("what", Unit.TEXT), ("amount", Unit.MONEY)),
            rows=(*rows, (text(self._word("sum")), text(""), total)),
            sums=1,
        )

    def _debts(self) -> Table | None:
        owed = self._it.owed
        rolled = (
            ("opening", owed.opening_minor), ("added", owed.added_minor),
            ("recovered", -owed.recovered_minor), ("written_off", -owed.written_off_minor),
            ("closing", owed.closing_minor),
        )  # fmt: skip
        if not any(minor for _, minor in rolled):
            return None
        return Table(
            title=self._word("debts"),
            columns=self._columns(("what", Unit.TEXT), ("amount", Unit.MONEY)),
            rows=tuple(
                (self._writer.text(self._word(name)), self._writer.money(minor)) for name, minor in rolled
            ),
            sums=1,
        )

    def _columns(self, *heads: tuple[str, Unit]) -> tuple[Column, ...]:
        return tuple(Column(label=self._word(name), unit=unit) for name, unit in heads)

    def _clock(self, moved: Moved) -> str:
        return f"{moved.at.astimezone(self._zone):%Y-%m-%d %H:%M}"

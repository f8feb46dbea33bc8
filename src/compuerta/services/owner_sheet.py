"""An owner's statement as lines to read, in a language: for screens, paper and spreadsheets alike."""

from collections.abc import Callable, Iterator, Mapping

from compuerta.domain import account_words
from compuerta.domain.contact import Language
from compuerta.domain.ledger import SAFE, cash
from compuerta.domain.party import zone_of
from compuerta.services.owner_statements import AccountLine, OwnerStatement, Way
from compuerta.services.receipt_sheet import clock
from compuerta.services.resident_sheet import where
from compuerta.services.sheet import Cell, Chart, Column, Figure, Point, Sheet, Table, Unit, Writer

AccountPath = Callable[[int], str]  # where a reader finds an account's own statement


def _nowhere(_account_id: int) -> str:
    return ""


def owner_sheet(
    statement: OwnerStatement, *, language: Language, account_path: AccountPath = _nowhere
) -> Sheet:
    """Write a statement in a language."""
    return _Told(statement, language, account_path).sheet()


class _Told:
    """A statement's parts, in one language."""

    def __init__(self, statement: OwnerStatement, language: Language, account_path: AccountPath) -> None:
        self._it = statement
        self._language = language
        self._account_path = account_path
        self._writer = Writer(language=language, currency=statement.currency)

    def sheet(self) -> Sheet:
        it, place = self._it, self._it.site or self._word("all_sites")
        tables = (
            self._held(),
            self._amounts("items", it.earned),
            self._amounts("borne", it.borne),
            self._debts(),
            self._accounts(),
            self._vacant(),
            self._losses(),
        )
        return Sheet(
            language=self._language,
            currency=it.currency,
            owner=it.organisation,
            title=f"{self._word('owner_title')} {it.month}",
            subtitle=place,
            notes=tuple(self._notes()),
            figures=self._figures(),
            charts=(self._chart(),),
            tables=tuple(table for table in tables if table is not None),
            foot=f"{it.organisation} · {place} · {it.month} · {it.zone}",
        )

    def _word(self, name: str) -> str:
        return account_words.word(name, language=self._language)

    def _notes(self) -> Iterator[str]:
        if not self._it.is_over:
            yield self._word("so_far").format(at=clock(self._it.until, zone=zone_of(self._it.zone)))
        missing = sum(bool(each.missing) for each in self._it.energy)
        if missing:
            yield self._word("missing_accounts").format(count=missing)

    def _figures(self) -> tuple[Figure, ...]:
        it, money = self._it, self._writer.money
        return (
            Figure(label=self._word("owed_opening"), cell=money(it.opening_minor)),
            Figure(label=self._word("received"), cell=money(it.moved_minor(Way.RECEIVED))),
            Figure(label=self._word("paid_out"), cell=money(it.moved_minor(Way.PAID_OUT))),
            Figure(
                label=self._word("owed_closing"), cell=money(it.closing_minor), note=self._word("owed_note")
            ),
            Figure(label=self._word("energy"), cell=self._writer.energy(it.charged_wh)),
            Figure(label=self._word("charged"), cell=money(sum(each.charged_minor for each in it.lines))),
            Figure(label=self._word("fees"), cell=money(it.moved_minor(Way.FEES))),
            Figure(label=self._word("suspense"), cell=money(it.suspense_minor)),
        )

    def _chart(self) -> Chart:
        points = tuple(
            Point(
                label=f"{each.day.day}",
                amount=each.used_wh,
                text=f"{each.day:%m-%d}: {self._writer.energy(each.used_wh).text}",
                is_supposed=each.is_provisional or (each.used_wh is not None and each.missing > 0),
            )
            for each in self._it.energy
        )
        return Chart(title=self._word("energy_by_day"), unit=Unit.ENERGY, points=points)

    def _held(self) -> Table:
        ways = [way for way in Way if any(each.moves.get(way) for each in self._it.held)]
        money = self._writer.money
        rows = [
            (
                self._writer.text(self._channel(each.code)),
                money(each.opening_minor),
                *(money(each.moves.get(way, 0)) for way in ways),
                money(each.closing_minor),
            )
            for each in self._it.held
        ]
        total = (
            self._writer.text(self._word("sum")),
            money(self._it.opening_minor),
            *(money(self._it.moved_minor(way)) for way in ways),
            money(self._it.closing_minor),
        )
        names = ("owed_opening", *(way.value for way in ways), "owed_closing")
        return Table(
            title=self._word("money_held"),
            columns=self._columns(("where", Unit.TEXT), *((name, Unit.MONEY) for name in names)),
            rows=(*rows, total),
            note=self._word("money_held_note"),
            sums=1,
        )

    def _channel(self, code: str) -> str:
        return self._word(SAFE) if code == SAFE else code.removeprefix(cash(""))

    def _amounts(self, title: str, amounts: Mapping[str, int]) -> Table | None:
        if not amounts:
            return None
        text, money = self._writer.text, self._writer.money
        rows = [(text(self._word(code)), money(minor)) for code, minor in amounts.items()]
        return Table(
            title=self._word(title),
            columns=self._columns(("item", Unit.TEXT), ("amount", Unit.MONEY)),
            rows=(*rows, (text(self._word("sum")), money(sum(amounts.values())))),
            sums=1,
        )

    def _debts(self) -> Table | None:
        owed = self._it.owed
        rolled = {
            "opening": owed.opening_minor,
            "added": owed.added_minor,
            "recovered": -owed.recovered_minor,
            "written_off": -owed.written_off_minor,
            "closing": owed.closing_minor,
        }
        if not any(rolled.values()):
            return None
        return Table(
            title=self._word("debts"),
            columns=self._columns(("what", Unit.TEXT), ("amount", Unit.MONEY)),
            rows=tuple(
                (self._writer.text(self._word(name)), self._writer.money(minor))
                for name, minor in rolled.items()
            ),
            sums=1,
        )

    def _accounts(self) -> Table:
        names = ("opening", "recharged", "adjusted", "charged", "closing")
        heads = (
            ("place", Unit.TEXT), ("customer", Unit.TEXT), *((name, Unit.MONEY) for name in names),
            ("energy", Unit.ENERGY), ("owed", Unit.MONEY),
        )  # fmt: skip
        lines = self._it.lines
        total = (
            self._writer.text(self._word("sum")),
            self._writer.text(""),
            *(self._writer.money(sum(getattr(each, f"{name}_minor") for each in lines)) for name in names),
            self._writer.energy(self._it.charged_wh),
            self._writer.money(sum(each.owed_minor for each in lines)),
        )
        return Table(
            title=self._word("accounts"),
            columns=self._columns(*heads),
            rows=(*(self._account(each) for each in lines), total),
            sums=1,
        )

    def _account(self, line: AccountLine) -> tuple[Cell, ...]:
        text, money, tenancy = self._writer.text, self._writer.money, line.tenancy
        place = where(tenancy) if not self._it.site else where(tenancy).removeprefix(f"{tenancy.site} · ")
        return (
            text(place, path=self._account_path(tenancy.account_id)),
            text(tenancy.name),
            money(line.opening_minor),
            money(line.recharged_minor),
            money(line.adjusted_minor),
            money(line.charged_minor),
            money(line.closing_minor),
            self._writer.energy(line.charged_wh),
            money(line.owed_minor),
        )

    def _vacant(self) -> Table | None:
        if not self._it.vacant:
            return None
        text, count = self._writer.text, self._writer.count
        return Table(
            title=self._word("vacant_places"),
            columns=self._columns(("place", Unit.TEXT), ("days_vacant", Unit.COUNT)),
            rows=tuple(
                (text(" · ".join(filter(None, (each.building, each.place)))), count(each.days))
                for each in self._it.vacant
            ),
        )

    def _losses(self) -> Table | None:
        if not self._it.feeders:
            return None
        energy = self._writer.energy
        return Table(
            title=self._word("losses"),
            columns=self._columns(
                ("feeder", Unit.TEXT), ("fed", Unit.ENERGY), ("used", Unit.ENERGY), ("loss", Unit.ENERGY)
            ),
            rows=tuple(
                (
                    self._writer.text(each.name),
                    energy(each.fed_wh),
                    energy(each.used_wh),
                    energy(each.loss_wh),
                )
                for each in self._it.feeders
            ),
        )

    def _columns(self, *heads: tuple[str, Unit]) -> tuple[Column, ...]:
        return tuple(Column(label=self._word(name), unit=unit) for name, unit in heads)

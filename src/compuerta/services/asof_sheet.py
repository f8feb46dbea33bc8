"""As of, as lines to read in a language: what we believed beside what we know."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from compuerta.domain import account_words, wording
from compuerta.domain.contact import Language
from compuerta.domain.our_words import REASONS
from compuerta.domain.party import zone_of
from compuerta.services.asof import AsOf, Standing
from compuerta.services.freeze_port import Freeze
from compuerta.services.receipt_sheet import clock
from compuerta.services.resident_sheet import where
from compuerta.services.sheet import UNKNOWN, Cell, Column, Figure, Sheet, Table, Unit, Writer


def asof_sheet(found: AsOf, *, language: Language) -> Sheet:
    """Write in a language what an account was at an instant."""
    return _Told(found, language).sheet()


class _Told:
    """The parts, in one language."""

    def __init__(self, found: AsOf, language: Language) -> None:
        self._it = found
        self._language = language
        self._writer = Writer(language=language, currency=found.tenancy.currency)
        self._zone = zone_of(found.tenancy.zone)

    def sheet(self) -> Sheet:
        tenancy = self._it.tenancy
        tables = (
            self._books(),
            self._pairs("meter_told", self._meter()),
            self._pairs("supply", self._supply()),
            self._pairs("tariff", self._tariff()),
            self._pairs("holds", self._holds()),
            self._pairs("pending", self._pending()),
            self._freezes(),
        )
        return Sheet(
            language=self._language,
            currency=tenancy.currency,
            owner=tenancy.organisation,
            title=self._at(self._it.at),
            subtitle=f"{where(tenancy)} · {tenancy.name}",
            notes=tuple(self._notes()),
            figures=self._figures(),
            charts=(),
            tables=tuple(table for table in tables if table.rows),
            foot=f"{where(tenancy)} · {tenancy.zone}",
        )

    def _word(self, name: str) -> str:
        return account_words.word(name, language=self._language)

    def _at(self, at: datetime | None) -> str:
        return UNKNOWN if at is None else clock(at, zone=self._zone)

    def _notes(self) -> Iterator[str]:
        tenancy = self._it.tenancy
        if self._it.standing is Standing.NOT_YET:
            yield self._word("not_yet").format(at=self._at(tenancy.opened_at))
        if self._it.standing is Standing.CLOSED:
            yield self._word("was_closed").format(at=self._at(tenancy.closed_at))

    def _figures(self) -> tuple[Figure, ...]:
        books, told, occupant = self._it.books, self._it.told, self._it.occupant
        name = self._word("nobody") if occupant is None else occupant.name
        return (
            Figure(label=self._word("in_books"), cell=self._writer.money(books.balance_minor)),
            Figure(label=self._word("known_now"), cell=self._writer.money(books.known_now_minor)),
            Figure(
                label=self._word("register"),
                cell=self._writer.energy(told.register_wh),
                note=self._at(told.register_at),
            ),
            Figure(label=self._word("occupant"), cell=self._writer.text(name)),
        )

    def _books(self) -> Table:
        books, money = self._it.books, self._writer.money
        rows = (
            ("in_books", books.balance_minor),
            ("in_force", books.delivered_minor),
            ("on_its_way", books.undelivered_minor),
            ("later_recharged", books.recharged_later_minor),
            ("later_charged", books.charged_later_minor),
            ("known_now", books.known_now_minor),
            ("owed", books.debt_minor),
        )
        return Table(
            title=self._word("believed"),
            columns=(
                Column(label=self._word("what")),
                Column(label=self._word("amount"), unit=Unit.MONEY),
            ),
            rows=tuple((self._writer.text(self._word(name)), money(minor)) for name, minor in rows),
        )

    def _pairs(self, title: str, rows: Iterator[tuple[str, Cell, str]]) -> Table:
        """Return a table of what there was, and since when or why."""
        text = self._writer.text
        columns = (Column(label=""), Column(label=self._word("what")), Column(label=self._word("when")))
        told = tuple((text(name), cell, text(note)) for name, cell, note in rows)
        return Table(title=self._word(title), columns=columns, rows=told)

    def _meter(self) -> Iterator[tuple[str, Cell, str]]:
        told, meter = self._it.told, self._it.meter
        if meter is None:
            return
        relay = self._word("nothing_told" if told.relay is None else told.relay.value)
        yield self._word("meter"), self._writer.text(meter.meter_no), self._at(meter.started_at)
        yield self._word("register"), self._writer.energy(told.register_wh), self._at(told.register_at)
        yield self._word("meter_balance"), self._writer.money(told.balance_minor), self._at(told.balance_at)
        yield self._word("relay"), self._writer.text(relay), self._at(told.relay_at)

    def _supply(self) -> Iterator[tuple[str, Cell, str]]:
        decision = self._it.decision
        if decision is not None:
            wanted = self._word("wanted_on" if decision.closed else "wanted_off")
            reason = self._writer.text(self._reason(decision.reason))
            yield wanted, reason, self._word("since").format(at=self._at(decision.at))

    def _reason(self, name: str) -> str:
        known = name in REASONS[self._language]
        return wording.reason(name, language=self._language) if known else self._word(name)

    def _tariff(self) -> Iterator[tuple[str, Cell, str]]:
        priced = self._it.priced
        if priced is None:
            return
        later = (
            "" if priced.was_decided else self._word("decided_later").format(at=self._at(priced.decided_at))
        )
        version = self._word("version").format(number=priced.version_no)
        yield priced.tariff, self._writer.text(version), later
        bounds = [*priced.bounds_wh, None]
        for price, bound_wh in zip(priced.prices, bounds, strict=True):
            up_to = ""
            if bound_wh is not None:
                up_to = self._word("up_to").format(energy=self._writer.energy_text(bound_wh))
            label = " · ".join(filter(None, (self._word("price"), priced.period)))
            yield label, self._writer.text(_price(price)), up_to

    def _holds(self) -> Iterator[tuple[str, Cell, str]]:
        for hold in self._it.holds:
            until = "" if hold.end is None else self._word("until").format(at=self._at(hold.end))
            since = self._word("since").format(at=self._at(hold.start))
            told = " · ".join((hold.owner, hold.note))
            yield self._word(hold.kind.value), self._writer.text(told), f"{since} {until}".strip()

    def _pending(self) -> Iterator[tuple[str, Cell, str]]:
        for each in self._it.pending:
            ended = self._word("still_open")
            if each.ended_at is not None:
                ended = self._word("ended").format(at=self._at(each.ended_at))
            cell = self._writer.money(each.amount_minor)
            yield self._word(each.kind), cell, f"{self._at(each.created_at)} · {ended}"

    def _freezes(self) -> Table:
        heads = (("freeze", Unit.TEXT), ("day", Unit.TEXT), ("register", Unit.ENERGY), ("what", Unit.TEXT))
        known = (("believed", self._it.frozen_then), ("known_now", self._it.frozen_now))
        return Table(
            title=self._word("freeze"),
            columns=tuple(Column(label=self._word(name), unit=unit) for name, unit in heads),
            rows=tuple(self._freeze(self._word(name), each) for name, each in known if each is not None),
        )

    def _freeze(self, name: str, freeze: Freeze) -> tuple[Cell, ...]:
        text = self._writer.text
        names = filter(None, (f"basis_{freeze.basis.value}", freeze.reason))
        basis = text(" · ".join(self._word(each) for each in names))
        return text(name), text(freeze.day.isoformat()), self._writer.energy(freeze.energy_wh), basis


def _price(price: Fraction) -> str:
    """Return a price as it is written in tariffs, in major units; every price has an end in decimals."""
    return f"{Decimal(price.numerator) / Decimal(price.denominator):f}"

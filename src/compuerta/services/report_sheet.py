"""A daily report as a sheet in a language: headline figures, pictures, tables that lead to who and why."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from compuerta.domain import report_words, wording
from compuerta.domain.contact import Language
from compuerta.domain.our_words import WEEKDAYS
from compuerta.domain.party import zone_of
from compuerta.services import daily_report
from compuerta.services.daily_report import Bill, Channel, DailyReport, Feeder
from compuerta.services.sheet import Cell, Chart, Column, Figure, Point, Sheet, Table, Unit, Writer

DAYS_DRAWN: Final = 30
_LABELLED_DAYS: Final = 5  # more would not be read on a phone
_LABELLED_HOURS: Final = 4
_AGES: Final = 4

# Says the name of a row, such as the kind of a case, in the reader's language.
Word = Callable[[str], str]


def sheet_of(report: DailyReport, before: Sequence[DailyReport], *, language: Language, word: Word) -> Sheet:
    """Write a report in a language; `before` are the days up to it, for the pictures."""
    told = _Told(report=report, language=language, word=word)
    return Sheet(
        language=language,
        currency=report.currency,
        owner=report.organisation,
        title=told.say("title"),
        subtitle=f"{report.site} · {WEEKDAYS[language][report.date.weekday()]} {report.day}",
        notes=tuple(_notes(told)),
        figures=_figures(told),
        charts=_charts(told, before),
        tables=tuple(each for each in _tables(told) if each.rows),
        foot=told.say(
            "foot", site=report.site, day=report.day, version=report.version, made=_minute(report.made_at)
        ),
    )


def fields_of(report: DailyReport, *, language: Language) -> dict[str, str]:
    """Return the fields of the message that tells of a report."""
    writer = Writer(language=language, currency=report.currency)
    facts = report.facts
    is_corrected = report.version > 1 and any(each.figure.startswith("money.") for each in report.changes)
    return {
        "place": report.site,
        "day": report.day,
        "energy": writer.energy(facts.energy.told_wh).text,
        "received": writer.money_text(report.received_minor),
        "charged": writer.money_text(facts.money.charged_minor),
        "missing": f"{facts.completeness.missing}/{facts.completeness.meters}",
        "alarms": str(sum(each.raised for each in facts.alarms)),
        "anchor": facts.anchor or "–",
        "note": report_words.word("note_corrected", language=language) if is_corrected else "",
        "report_link": f"{wording.ADDRESS}/reports/{report.site_id}/{report.day}/",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A report, and how its reader is spoken to."""

    report: DailyReport
    language: Language
    word: Word

    @property
    def write(self) -> Writer:
        """How amounts become cells."""
        return Writer(language=self.language, currency=self.report.currency)

    def say(self, name: str, **fields: object) -> str:
        """Return a word of reports."""
        return report_words.word(name, language=self.language, **fields)

    def table(
        self, title: str, columns: Iterable[tuple[str, Unit]], rows: Iterable[Sequence[Cell]], *,
        note: str = "", sums: int = 0,
    ) -> Table:  # fmt: skip
        """Return a table by the names of its words."""
        return Table(
            title=self.say(title),
            columns=tuple(Column(label=self.say(name), unit=unit) for name, unit in columns),
            rows=tuple(tuple(row) for row in rows),
            note=note,
            sums=sums,
        )


def _minute(instant: str) -> str:
    return f"{daily_report.instant_of(instant):%Y-%m-%d %H:%M}"


def _meter(meter_id: int) -> str:
    return f"/meters/{meter_id}/"


def _notes(told: _Told) -> Iterable[str]:
    report, energy = told.report, told.report.facts.energy
    if report.version > 1:
        yield told.say("note_version", version=report.version)
    if report.day_hours != 24:
        yield told.say("note_hours", hours=report.day_hours)
    if energy.provisional_wh:
        yield told.say("note_provisional", energy=told.write.energy_text(energy.provisional_wh))
    if energy.unknown:
        yield told.say("note_unknown", number=energy.unknown)
    if any(each.differs_minor for each in daily_report.ties(report)):
        yield told.say("note_differs")


def _figures(told: _Told) -> tuple[Figure, ...]:
    facts, standing, write = told.report.facts, told.report.standing, told.write
    known, money = facts.completeness, facts.money
    payments = sum(each.payments for each in facts.channels)
    alarms = sum(each.raised for each in facts.alarms)
    undelivered = told.say("undelivered_of", amount=write.money_text(money.undelivered_minor))
    missing = told.say("missing_of", missing=known.missing, provisional=known.provisional)
    valid = Cell(
        text=f"{known.valid} / {known.meters}",
        is_alert=known.missing > 0,
        path="" if not known.gaps else "#gaps",
    )
    return (
        _figure(
            told, "used", write.energy(facts.energy.told_wh), "accounts_of", number=facts.energy.accounts
        ),
        _figure(told, "received", write.money(told.report.received_minor), "payments_of", number=payments),
        Figure(label=told.say("charged"), cell=write.money(money.charged_minor)),
        Figure(label=told.say("closing"), cell=write.money(money.closing_minor), note=undelivered),
        Figure(label=told.say("complete"), cell=valid, note=missing),
        Figure(label=told.say("owed"), cell=write.money(standing.arrears.owed_minor)),
        _figure(told, "off", write.count(standing.off, is_alert=False), "red_of", number=standing.red),
        Figure(label=told.say("alarms"), cell=write.count(alarms, path="/alarms/", is_alert=alarms > 0)),
    )


def _figure(told: _Told, name: str, cell: Cell, note: str, **fields: object) -> Figure:
    return Figure(label=told.say(name), cell=cell, note=told.say(note, **fields))


def _charts(told: _Told, before: Sequence[DailyReport]) -> tuple[Chart, ...]:
    report, write = told.report, told.write
    by_day = {each.date: each for each in (*before, report)}
    days = [report.date - timedelta(days=back) for back in reversed(range(DAYS_DRAWN))]
    known = [by_day.get(day) for day in days]

    def points(
        amount_of: Callable[[DailyReport], int | None], text_of: Callable[[int], str]
    ) -> tuple[Point, ...]:
        drawn = []
        for number, (day, each) in enumerate(zip(days, known, strict=True)):
            amount = None if each is None else amount_of(each)
            drawn.append(
                Point(
                    label=f"{day:%d.%m}" if (DAYS_DRAWN - 1 - number) % _LABELLED_DAYS == 0 else "",
                    amount=amount,
                    text=f"{day.isoformat()}: {'–' if amount is None else text_of(amount)}",
                    is_marked=day == report.date,
                )
            )
        return tuple(drawn)

    return (
        Chart(
            title=told.say("chart_days"),
            unit=Unit.ENERGY,
            points=points(lambda each: each.facts.energy.told_wh, write.energy_text),
        ),
        Chart(title=told.say("chart_hours"), unit=Unit.ENERGY, points=_hours(told)),
        Chart(
            title=told.say("chart_money"),
            unit=Unit.MONEY,
            points=points(lambda each: each.received_minor, write.money_text),
        ),
    )


def _hours(told: _Told) -> tuple[Point, ...]:
    report, zone = told.report, zone_of(told.report.zone)
    clocks = [start.astimezone(zone).strftime("%H:%M") for start in daily_report.hours_of(report)]
    return tuple(
        Point(
            label=clock[:2] if number % _LABELLED_HOURS == 0 else "",
            amount=used_wh,
            text=f"{clock}: {told.write.energy_text(used_wh)}",
        )
        for number, (clock, used_wh) in enumerate(zip(clocks, report.facts.energy.hours_wh, strict=False))
    )


def _tables(told: _Told) -> Iterable[Table]:
    yield _money(told)
    yield _ties(told)
    yield _channels(told)
    yield _parts(told)
    yield _bills(told)
    yield _bill_differences(told)
    yield _rates(told)
    yield _gaps(told)
    yield _feeders(told)
    yield _alarms(told)
    yield _drifts(told)
    yield _cases(told)
    yield _arrears(told)
    yield _reds(told)
    yield _anchor(told)
    yield _changes(told)


def _money(told: _Told) -> Table:
    money, write = told.report.facts.money, told.write
    rows = (
        ("opening", money.opening_minor),
        ("recharged", money.recharged_minor),
        ("adjusted", money.adjusted_minor),
        ("charges", -money.charged_minor),
        ("closes", money.closing_minor),
    )
    return told.table(
        "money",
        (("what", Unit.TEXT), ("amount", Unit.MONEY)),
        [(write.text(told.say(name)), write.money(amount_minor)) for name, amount_minor in rows],
        sums=1,
    )


def _ties(told: _Told) -> Table:
    write = told.write
    rows = [
        (
            write.text(told.say(f"tie_{each.what}")),
            write.money(each.ours_minor),
            write.money(each.theirs_minor),
            write.money(each.differs_minor, is_alert=each.differs_minor != 0),
        )
        for each in daily_report.ties(told.report)
    ]
    money = Unit.MONEY
    return told.table(
        "ties", (("what", Unit.TEXT), ("ours", money), ("theirs", money), ("difference", money)), rows
    )


def _channels(told: _Told) -> Table:
    write, channels = told.write, told.report.facts.channels

    def row(name: str, some: Sequence[Channel]) -> tuple[Cell, ...]:
        return (
            write.text(name),
            write.count(sum(each.payments for each in some)),
            write.money(sum(each.paid_minor for each in some)),
            write.count(sum(each.refunds for each in some)),
            write.money(sum(each.refunded_minor for each in some)),
        )

    rows = [row(told.word(each.provider), [each]) for each in channels]
    columns = (
        ("channel", Unit.TEXT), ("payments", Unit.COUNT), ("paid", Unit.MONEY), ("refunds", Unit.COUNT),
        ("refunded", Unit.MONEY),
    )  # fmt: skip
    return told.table("channels", columns, [*rows, row(told.say("total"), channels)], sums=1)


def _parts(told: _Told) -> Table:
    write, named = told.write, daily_report.parts_of(told.report.facts.parts)
    rows = [(write.text(told.say(f"part_{name}")), write.money(minor)) for name, minor in named if minor]
    if rows:
        rows.append((write.text(told.say("total")), write.money(sum(minor for _, minor in named))))
    return told.table("parts", (("what", Unit.TEXT), ("amount", Unit.MONEY)), rows, sums=1)


def _bills(told: _Told) -> Table:
    columns = (
        ("channel", Unit.TEXT), ("state", Unit.TEXT), ("lines", Unit.COUNT), ("differing", Unit.COUNT),
        ("gross", Unit.MONEY), ("refunded", Unit.MONEY), ("fee", Unit.MONEY), ("difference", Unit.MONEY),
    )  # fmt: skip
    rows = [_bill(told, each) for each in told.report.facts.bills]
    return told.table("bills", columns, rows, note=told.say("bills_note"))


def _bill(told: _Told, bill: Bill) -> tuple[Cell, ...]:
    write, is_known = told.write, bill.state == "matched"
    is_bad = bill.state in ("missing", "faulty") or bill.differing > 0
    return (
        write.text(told.word(bill.provider), path="/statements/"),
        write.text(told.say(f"bill_{bill.state}"), is_alert=is_bad),
        write.count(bill.lines if is_known else None),
        write.count(bill.differing if is_known else None, is_alert=bill.differing > 0),
        write.money(bill.gross_minor if is_known else None),
        write.money(bill.refunded_minor if is_known else None),
        write.money(bill.fee_minor if is_known else None),
        write.money(bill.differs_minor if is_known else None, is_alert=bill.differs_minor != 0),
    )


def _bill_differences(told: _Told) -> Table:
    write = told.write
    columns = (
        ("channel", Unit.TEXT), ("what", Unit.TEXT), ("number", Unit.TEXT), ("bill_says", Unit.MONEY),
        ("we_say", Unit.MONEY), ("state", Unit.TEXT),
    )  # fmt: skip
    rows = [
        (
            write.text(told.word(each.provider)),
            write.text(told.word(each.what), path="/statements/"),
            write.text(each.transaction_no),
            write.money(each.theirs_minor),
            write.money(each.ours_minor),
            write.text(told.say("open" if each.is_open else "ended"), is_alert=each.is_open),
        )
        for each in told.report.facts.bill_differences
    ]
    return told.table("bill_differences", columns, rows)


def _rates(told: _Told) -> Table:
    write = told.write
    rows = [
        (write.text(told.say("rate", number=number)), write.energy(used_wh))
        for number, used_wh in enumerate(told.report.facts.energy.rates_wh, start=1)
    ]
    return told.table("rates", (("what", Unit.TEXT), ("energy", Unit.ENERGY)), rows)


def _gaps(told: _Told) -> Table:
    write, known = told.write, told.report.facts.completeness
    rows = [
        (
            write.text(each.place, path=_meter(each.meter_id)),
            write.text(each.name),
            write.text(each.meter_no, path=_meter(each.meter_id)),
            write.text(told.say(f"basis_{each.basis}"), is_alert=each.basis != "provisional"),
            write.text(told.word(each.reason) if each.reason else ""),
        )
        for each in known.gaps
    ]
    number = max(known.meters - known.valid, len(rows))
    columns = [(name, Unit.TEXT) for name in ("place", "customer", "meter", "basis", "why")]
    return told.table("gaps", columns, rows, note=told.say("gaps_note", shown=len(rows), number=number))


def _feeders(told: _Told) -> Table:
    columns = (
        ("feeder", Unit.TEXT), ("fed", Unit.ENERGY), ("measured", Unit.ENERGY), ("lost", Unit.ENERGY),
        ("unknown", Unit.COUNT),
    )  # fmt: skip
    return told.table("feeders", columns, [_feeder(told, each) for each in told.report.facts.feeders])


def _feeder(told: _Told, feeder: Feeder) -> tuple[Cell, ...]:
    write = told.write
    return (
        write.text(feeder.name, path=f"/losses/{feeder.meter_id}/"),
        write.energy(feeder.fed_wh),
        write.energy(feeder.used_wh),
        write.energy(feeder.lost_wh, is_alert=feeder.is_too_much),
        write.count(feeder.unknown, is_alert=feeder.unknown > 0),
    )


def _alarms(told: _Told) -> Table:
    write, language = told.write, told.language
    rows = [
        (
            write.text(wording.alarm(each.kind, language=language), path="/alarms/"),
            write.text(wording.alarm(each.severity, language=language), is_alert=each.severity == "danger"),
            write.count(each.raised),
        )
        for each in told.report.facts.alarms
    ]
    columns = (("alarm", Unit.TEXT), ("severity", Unit.TEXT), ("times", Unit.COUNT))
    return told.table("alarms", columns, rows)


def _drifts(told: _Told) -> Table:
    write, facts = told.write, told.report.facts
    rows = [
        (
            write.text(each.place, path=_meter(each.meter_id)),
            write.text(each.name),
            write.text(told.say(f"cause_{each.cause}")),
            write.money(each.differs_minor, is_alert=True),
        )
        for each in facts.drifts
    ]
    columns = (
        ("place", Unit.TEXT),
        ("customer", Unit.TEXT),
        ("cause", Unit.TEXT),
        ("difference", Unit.MONEY),
    )
    note = told.say("drift_note", shown=len(rows), number=facts.drifts_number)
    return told.table("drift", columns, rows, note=note)


def _cases(told: _Told) -> Table:
    write = told.write
    rows = [
        (
            write.text(told.word(each.kind), path="/cases/"),
            write.count(each.open),
            write.count(each.oldest_days),
        )
        for each in told.report.standing.cases
    ]
    return told.table("cases", (("case", Unit.TEXT), ("times", Unit.COUNT), ("oldest", Unit.COUNT)), rows)


def _arrears(told: _Told) -> Table:
    write, arrears = told.write, told.report.standing.arrears
    rows = [
        (write.text(told.say(f"age_{place}")), write.money(amount_minor))
        for place, amount_minor in enumerate(arrears.by_age_minor[:_AGES])
        if arrears.debts
    ]
    if rows:
        rows.append((write.text(told.say("total")), write.money(arrears.owed_minor)))
    note = told.say("arrears_note", debts=arrears.debts, accounts=arrears.accounts)
    return told.table("arrears", (("what", Unit.TEXT), ("amount", Unit.MONEY)), rows, note=note, sums=1)


def _reds(told: _Told) -> Table:
    write, standing = told.write, told.report.standing
    rows = [
        (
            write.text(each.place, path=_meter(each.meter_id)),
            write.text(each.name),
            write.money(each.balance_minor),
            write.text(told.say("power_off" if each.is_off else "power_on")),
        )
        for each in standing.reds
    ]
    columns = (("place", Unit.TEXT), ("customer", Unit.TEXT), ("balance", Unit.MONEY), ("power", Unit.TEXT))
    return told.table("reds", columns, rows, note=told.say("reds_note", shown=len(rows), number=standing.red))


def _anchor(told: _Told) -> Table:
    anchor = told.report.facts.anchor or told.say("not_sealed")
    row = (told.write.text(told.say("anchor")), told.write.text(anchor))
    return told.table("seal", (("what", Unit.TEXT), ("value", Unit.TEXT)), [row], note=told.say("seal_note"))


def _changes(told: _Told) -> Table:
    write = told.write

    def cell(figure: str, amount: int) -> Cell:
        if figure.endswith("_minor"):
            return write.money(amount)
        return write.energy(amount) if figure.endswith("_wh") else write.count(amount)

    rows = [
        (write.text(told.say(each.figure)), cell(each.figure, each.was), cell(each.figure, each.now))
        for each in told.report.changes
    ]
    return told.table("changes", (("what", Unit.TEXT), ("was", Unit.COUNT), ("is", Unit.COUNT)), rows)

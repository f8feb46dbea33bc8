"""A picture of use as a sheet, in a language."""

from dataclasses import replace
from datetime import date, timedelta

from compuerta.domain import account_words
from compuerta.domain.contact import Language
from compuerta.services.energy_pictures import Picture, Stretch, Use
from compuerta.services.resident_sheet import SUPPOSED, where
from compuerta.services.sheet import Cell, Chart, Column, Figure, Point, Sheet, Table, Unit, Writer


def energy_sheet(picture: Picture, *, language: Language, of_site: bool = False) -> Sheet:
    """Write a picture in a language; of a site it names nobody."""
    tenancy = picture.tenancy
    writer = Writer(language=language, currency=tenancy.currency)

    def word(name: str) -> str:
        return account_words.word(name, language=language)

    title = word(f"use_{picture.stretch.value}")
    points = tuple(
        Point(
            label=_short(each.label),
            amount=each.used_wh,
            text=f"{each.label}: {_told(each, writer).text}",
            is_supposed=each.is_supposed,
        )
        for each in picture.uses
    )
    columns = (Column(label=word("when")), Column(label=word("energy"), unit=Unit.ENERGY))
    rows = tuple((writer.text(each.label), _told(each, writer)) for each in picture.uses)
    return Sheet(
        language=language,
        currency=tenancy.currency,
        owner=tenancy.organisation,
        title=title,
        subtitle=tenancy.site if of_site else where(tenancy),
        notes=(),
        figures=(Figure(label=word("known_use"), cell=writer.energy(picture.used_wh), note=_dates(picture)),),
        charts=(Chart(title=title, unit=Unit.ENERGY, points=points),),
        tables=(Table(title=title, columns=columns, rows=rows, note=word("unknown_note")),),
        foot=tenancy.zone,
    )


def _told(use: Use, writer: Writer) -> Cell:
    used = writer.energy(use.used_wh)
    return replace(used, text=f"{SUPPOSED} {used.text}") if use.is_supposed else used


def _short(label: str) -> str:
    """Return the last part of an hour, a day or a month, as it stands below a bar."""
    return label.rpartition("-")[2].removeprefix("0") or label


def _dates(picture: Picture) -> str:
    last: date = picture.after - timedelta(days=1)
    is_day = picture.stretch is Stretch.DAY
    return picture.first.isoformat() if is_day else f"{picture.first.isoformat()} – {last.isoformat()}"

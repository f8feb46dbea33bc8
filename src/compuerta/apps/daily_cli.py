"""`compuerta report daily`: a site's day, or several days, as files."""

import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import track

from compuerta.apps import config
from compuerta.apps.console_setup import set_up_django
from compuerta.apps.monthly_cli import Form
from compuerta.domain.contact import Language
from compuerta.domain.errors import Refused

if TYPE_CHECKING:
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.services.daily_report import DailyReport

BIGINT_MAX = 2**63 - 1
DAYS_MAX = 366


class SiteUnknown(Refused):
    """There is no such site."""

    def __init__(self, site_id: int, known: list[tuple[int, str]]) -> None:
        listed = ", ".join(f"{each} {name}" for each, name in known) or "none has accounts yet"
        super().__init__(f"there is no site {site_id}; there are: {listed}")
        self.site_id = site_id


class DateFaulty(Refused):
    """What should be a day is none, or days are the wrong way round."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text!r}: {reason}")
        self.text = text


class FileNeeded(Refused):
    """Several days do not go into one file."""

    def __init__(self) -> None:
        super().__init__("several days are several files: name a directory by --out")


def daily(
    site: Annotated[list[int], typer.Option(min=1, max=BIGINT_MAX, help="number of the site; repeatable")],
    day: Annotated[str, typer.Option("--date", help="such as 2026-11-21, the site's own")],
    until: Annotated[str | None, typer.Option(help="the last of several days")] = None,
    form: Annotated[Form, typer.Option("--format")] = Form.PDF,
    language: Annotated[Language, typer.Option()] = Language.ENGLISH,
    version: Annotated[int | None, typer.Option(min=1, help="as it was told then; else the last")] = None,
    out: Annotated[Path | None, typer.Option(help="file, or directory; else it goes to the output")] = None,
) -> None:
    """Write a day's report: energy, money, what is missing, and whether the totals agree."""
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.apps import wiring

    days = list(_days(day, until))
    given = config.settings()
    several = len(days) * len(site) > 1
    if several and (out is None or out.is_file()):
        raise FileNeeded
    url = wiring.database_url(given)
    set_up_django(given, url=url)
    store = PostgresStore(url)
    try:
        _require_sites(store, site)
        pairs = [(site_id, each) for site_id in site for each in days]
        shown = track(
            pairs, description="reports", console=Console(stderr=True), disable=not several, transient=True
        )
        for site_id, each in shown:
            report, written = _one(store, site_id, each, version=version, form=form, language=language)
            _put(written, report, form, out=out, several=several)
    finally:
        store.shut()


def _one(
    store: "PostgresStore", site_id: int, day: date, *, version: int | None, form: Form, language: Language
) -> tuple["DailyReport", bytes]:
    from django.utils import translation

    from compuerta.apps import report_files
    from compuerta.apps.console import labels
    from compuerta.services import report_sheet, reporting
    from compuerta.services.freeze_port import DayKey

    key = DayKey(site_id, day)
    report = reporting.report(store, key, version=version)
    before = reporting.days_before(store, key, days=report_sheet.DAYS_DRAWN)
    with translation.override(language.value):
        written = report_files.written(report, before, form=form, language=language, word=labels.word)
    return report, written


def _put(written: bytes, report: "DailyReport", form: Form, *, out: Path | None, several: bool) -> None:
    from compuerta.apps import report_files

    if out is None:
        sys.stdout.buffer.write(written)
        return
    if several or out.is_dir():
        out.mkdir(parents=True, exist_ok=True)
        out = out / report_files.name_of(report, form)
    out.write_bytes(written)
    Console(stderr=True).print(str(out), soft_wrap=True)


def _require_sites(store: "PostgresStore", sites: list[int]) -> None:
    with store.transaction() as tx:
        known = [(each.site_id, each.name) for each in tx.freezes.sites()]
    for site_id in sites:
        if site_id not in {each for each, _ in known}:
            raise SiteUnknown(site_id, known)


def _days(first: str, last: str | None) -> Iterator[date]:
    since, until = _date(first), _date(last or first)
    if until < since or (until - since).days >= DAYS_MAX:
        raise DateFaulty(str(last), f"write a day from {since} on, at most {DAYS_MAX} days")
    for number in range((until - since).days + 1):
        yield since + timedelta(days=number)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise DateFaulty(text, "write a day such as 2026-11-21") from None

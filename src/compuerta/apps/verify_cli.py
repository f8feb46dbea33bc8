"""`compuerta verify`: recompute the journal, and name what was changed, is missing or slipped in."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from compuerta.apps import config
from compuerta.domain.errors import Refused

if TYPE_CHECKING:
    from compuerta.domain.sealing import Anchor
    from compuerta.services.verifying import Verified

BIGINT_MAX = 2**63 - 1
_SHOWN_MAX = 50  # findings in the table; --json has all that are named
_LETTERS_MIN, _LETTERS_MAX = 16, 64


class AnchorUnfit(Refused):
    """What was given is no anchor."""

    def __init__(self, given: str) -> None:
        super().__init__(f"{given!r} is no anchor: write {_LETTERS_MIN} to {_LETTERS_MAX} hexadecimal digits")


def verify(
    site: Annotated[
        int | None, typer.Option(min=1, max=BIGINT_MAX, help="number of the site; all without it")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="only the days from this one on")
    ] = None,
    anchor: Annotated[
        list[str] | None, typer.Option(help="an anchor that was kept elsewhere, as the daily report says it")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print what is found as JSON")] = False,
) -> None:
    """Recompute the journal from its rows; ends with 1 where anything is not as it was sealed."""
    from compuerta.adapters.postgres import journal
    from compuerta.apps import wiring
    from compuerta.services import verifying
    from compuerta.services.verifying import Question

    kept = tuple(_letters(each) for each in anchor or ())
    question = Question(now=wiring.now(), since=None if since is None else since.date(), kept=kept)
    url = wiring.database_url(config.settings())
    with journal.opened(url, site_id=site) as found:
        anchors = found.anchors()
        with _bar(found.size(), quiet=as_json) as tell:
            verified = verifying.verify(found, question, tell=tell)
    _note(url, verified, anchors, at=question.now)
    if as_json:
        typer.echo(json.dumps(_told(verified, anchors), ensure_ascii=False))
    else:
        _show(verified, anchors)
    raise typer.Exit(code=0 if verified.is_whole else 1)


def _letters(given: str) -> str:
    letters = "".join(given.rpartition(":")[2].split()).lower()
    if not _LETTERS_MIN <= len(letters) <= _LETTERS_MAX or set(letters) - set("0123456789abcdef"):
        raise AnchorUnfit(given)
    return letters


@contextmanager
def _bar(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    parts = (TextColumn("postings"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*parts, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        task = progress.add_task("postings", total=total)
        yield lambda number: progress.update(task, completed=number)


def _note(url: str, verified: "Verified", anchors: Sequence["Anchor"], *, at: datetime) -> None:
    """Write down that it was done, for the screen that says so."""
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.services.seal_port import JournalCheck

    found = Counter(each.site_id for each in verified.found)
    last = {each.site_id: each for each in anchors}
    checks = [
        JournalCheck(
            site_id=site_id,
            organisation_id=each.organisation_id,
            at=at,
            anchor_no=each.anchor_no,
            postings=verified.postings,
            found=found[site_id] + found[None],
        )
        for site_id, each in last.items()
    ]
    store = PostgresStore(url)
    try:
        with store.transaction() as tx:
            tx.seals.put_checks(checks)
    finally:
        store.shut()


def _told(verified: "Verified", anchors: Sequence["Anchor"]) -> dict[str, Any]:
    return {
        "postings": verified.postings,
        "seals": verified.seals,
        "anchors": verified.anchors,
        "last": {str(each.site_id): each.digest.hex() for each in anchors},
        "whole": verified.is_whole,
        "found": [
            {
                "wrong": each.wrong.value,
                "site": each.site_id,
                "account": each.account_id,
                "day": None if each.day is None else each.day.isoformat(),
                "posting": None if each.posting_id is None else str(each.posting_id),
                "detail": each.detail,
            }
            for each in verified.found
        ],
        "found_more": verified.found_more,
    }


def _show(verified: "Verified", anchors: Sequence["Anchor"]) -> None:
    from compuerta.domain.sealing import text_of_anchor

    console = Console()
    console.print(
        f"{verified.postings:,} postings, {verified.seals:,} seals, {verified.anchors:,} anchors recomputed"
    )
    if verified.is_whole:
        for each in {each.site_id: each for each in anchors}.values():
            console.print(
                f"site {each.site_id}: as it was sealed, up to {each.day}; "
                f"anchor {each.anchor_no}: {text_of_anchor(each.digest)}"
            )
        return
    table = Table("wrong", "site", "account", "day", "posting", Column("what", overflow="fold"))
    for found in verified.found[:_SHOWN_MAX]:
        cells = (found.site_id, found.account_id, found.day, found.posting_id)
        table.add_row(found.wrong.value, *("" if each is None else str(each) for each in cells), found.detail)
    console.print(table)
    more = len(verified.found) + verified.found_more - _SHOWN_MAX
    if more > 0:
        console.print(f"and {more:,} more")

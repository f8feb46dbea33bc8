"""Months and as-of for machines and on the command line: what is told, and what is refused."""

import io
import json
from datetime import timedelta
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]
import pytest
from tests.contract.door import Place
from typer.testing import CliRunner, Result

from compuerta.apps import cli
from compuerta.apps.api.keys import make_key
from compuerta.domain.access import Right
from compuerta.services.asof import InstantAhead
from compuerta.services.local_instants import InstantMalformed
from compuerta.services.owner_statements import MonthAhead, SiteUnknown

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module", autouse=True)
def key(place: Place) -> str:
    place.clock.passes(seconds=60)  # since the accounts were opened
    scopes = [Right.SEE.value, Right.SEE_MONEY.value]
    return make_key(place.url, name="erp", organisation_id=place.organisation_id, scopes=scopes)


def typed(place: Place, *words: str) -> Result:
    """Type a command of the whole program."""
    return CliRunner().invoke(cli.app, words, env={"DATABASE_URL": place.url})


def test_an_instant_is_told_to_machines(place: Place, key: str) -> None:
    home, now = place.homes[0], place.clock.now

    found = place.ask(f"/accounts/{home.account_id}/as-of", key=key, params={"at": now.isoformat()})

    assert found.status_code == 200
    told = found.json()
    assert (told["standing"], told["tenancy"]["account_id"]) == ("open", home.account_id)
    assert told["books"]["balance_minor"] == told["books"]["known_now_minor"]


def test_an_instant_that_lies_ahead_or_has_no_offset_is_refused(place: Place, key: str) -> None:
    path, ahead = f"/accounts/{place.homes[0].account_id}/as-of", place.clock.now + timedelta(days=400)

    assert place.ask(path, key=key, params={"at": ahead.isoformat()}).status_code == 422
    assert place.ask(path, key=key, params={"at": "2026-05-03T10:00:00"}).status_code == 422
    first = place.ask(path, key=key, params={"at": "0001-01-01T00:00:00+14:00"})
    assert first.status_code < 500, "the first instant that can be written"


def test_a_month_adds_up_for_machines_and_others_accounts_are_not_there(place: Place, key: str) -> None:
    home, month = place.homes[0], f"{place.clock.now:%Y-%m}"

    told = place.ask(f"/accounts/{home.account_id}/months/{month}", key=key).json()

    moves = told["recharged_minor"] + told["charged_minor"] + told["adjusted_minor"]
    assert told["opening_minor"] + moves == told["closing_minor"]
    assert place.ask(f"/accounts/999999/months/{month}", key=key).status_code == 404
    for none in ("2001-01", "0001-01", "9999-12"):
        assert place.ask(f"/accounts/{home.account_id}/months/{none}", key=key).status_code == 422


def test_as_of_is_typed_with_the_sites_clock(place: Place) -> None:
    account = str(place.homes[0].account_id)

    told = typed(place, "asof", "--account", account, "--at", "2026-01-03T10:00", "--json")
    ahead = typed(place, "asof", "--account", account, "--at", "2999-05-03T10:00+08:00")
    odd = typed(place, "asof", "--account", account, "--at", "yesterday")

    assert told.exit_code == 0, told.output
    assert json.loads(told.output)["at"].startswith("2026-01-03T")
    assert isinstance(ahead.exception, InstantAhead) and isinstance(odd.exception, InstantMalformed)


def test_as_of_is_told_to_people_as_tables(place: Place) -> None:
    told = typed(place, "asof", "--account", str(place.homes[0].account_id), "--at", "2001-01-03T10:00")

    assert told.exit_code == 0, told.output
    assert "did not exist yet" in " ".join(told.output.split())


def test_an_owners_month_is_written_as_pdf_xlsx_and_json(place: Place, tmp_path: Path) -> None:
    month = f"{place.clock.now:%Y-%m}"
    paper, book, facts = (tmp_path / f"month.{form}" for form in ("pdf", "xlsx", "json"))

    for file in (paper, book, facts):
        form = file.suffix[1:]
        words = ("report", "monthly", "--site", "1", "--month", month, "--format", form, "--out", str(file))
        assert typed(place, *words).exit_code == 0

    assert paper.read_bytes().startswith(b"%PDF")
    assert len(openpyxl.load_workbook(io.BytesIO(book.read_bytes())).sheetnames) >= 3
    assert json.loads(facts.read_text())["month"] == month


def test_a_month_of_nobody_or_ahead_is_refused(place: Place) -> None:
    nobody = typed(place, "report", "monthly", "--site", "999", "--month", "2026-05")
    ahead = typed(place, "report", "monthly", "--site", "1", "--month", "2999-05")
    neither = typed(place, "report", "monthly", "--month", "2026-05")

    assert isinstance(nobody.exception, SiteUnknown) and isinstance(ahead.exception, MonthAhead)
    assert neither.exit_code == 2

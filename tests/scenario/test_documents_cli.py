"""`compuerta export camt053`, `seller` and `ubl` as one types them."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contract.documents import camt053_faults, ubl_faults
from tests.unit.services.town import NOON, PLATFORM, a_town, paid, told

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import cli, wiring
from compuerta.drivers.abilities import Relay

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
MONTH = f"{NOON:%Y-%m}"
SELLER = ("seller", "--name", "Casa", "--country", "ES", "--tax-id", "ESB12345674")


@dataclass(frozen=True, kw_only=True)
class Told:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    complaint: str


Export = Callable[..., Told]


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], postgres_url: str) -> Export:
    """Types a command of `compuerta export`, two months after two homes have paid and used."""
    monkeypatch.setattr(cli, "_log_to_stderr", lambda: None)
    monkeypatch.setattr(wiring, "now", lambda: NOON + timedelta(days=60))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    store = PostgresStore(postgres_url)
    for number, home in enumerate(a_town(store, authorities=(PLATFORM, PLATFORM)).homes):
        paid(store, home, name=str(number))
        told(store, home, at=NOON + timedelta(hours=1), energy_wh=20_000, relay=Relay.CLOSED)
    store.shut()

    def run(*arguments: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["compuerta", "export", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return Told(code=code, out=told.out, complaint=told.err)

    return run


def test_a_providers_month_goes_to_a_file_and_its_day_to_the_screen(export: Export, tmp_path: Path) -> None:
    file = tmp_path / "wechat.xml"

    month = export("camt053", "--provider", "wechat", "--month", MONTH, "--out", str(file))
    day = export("camt053", "--provider", "wechat", "--day", f"{NOON:%Y-%m-%d}")

    assert (month.code, day.code) == (0, 0)
    assert camt053_faults(file.read_bytes()) == camt053_faults(day.out.encode()) == []
    assert file.read_bytes().count(b"<Ntry>") == day.out.count("<Ntry>") == 2


def test_a_month_of_invoices_is_a_folder_and_again_the_same(export: Export, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"

    named = export(*SELLER)
    made = export("ubl", "--all", "--month", MONTH, "--out", str(first))
    again = export("ubl", "--all", "--month", MONTH, "--out", str(second))

    assert (named.code, made.code, again.code) == (0, 0, 0)
    assert "2 invoices" in made.complaint
    files = sorted(first.iterdir())
    assert [each.name for each in files] == ["A-000001.xml", "A-000002.xml"]
    assert [ubl_faults(each.read_bytes()) for each in files] == [[], []]
    assert all((second / each.name).read_bytes() == each.read_bytes() for each in files)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("ubl", "--all", "--month", MONTH, "--out", "x"), "nobody has said who sells"),
        (("ubl", "--month", MONTH, "--out", "x"), "--account"),
        (("ubl", "--all", "--month", "soon", "--out", "x"), "2026-05"),
        (("camt053", "--provider", "wechat"), "--day"),
        (("camt053", "--provider", "wechat", "--day", "soon"), "--day"),
        (("camt053", "--provider", "nobody", "--day", "2026-11-22"), "nobody"),
        (("camt053", "--provider", "wechat", "--day", "2027-11-22"), "ask again"),
        (("seller", "--name", "Casa", "--country", "ES", "--tax-id", "B12345674"), "ES in front"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told_in_one_line(
    export: Export, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    told = export(*(str(tmp_path / "x") if word == "x" else word for word in arguments))

    assert told.code == 1
    assert "\n" not in told.complaint.strip()
    assert reason in told.complaint

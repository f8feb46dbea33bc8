"""hledger and beancount check our books, and have the same balances; a cent more does not pass."""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from beancount import loader
from beancount.core.data import Transaction
from tests.unit.books.every_kind import ANA, LATER, NOVEMBER, Balances, a_month, balances_of, kinds_booked

from compuerta.adapters.books.beancount import Beancount
from compuerta.adapters.books.hledger import Hledger
from compuerta.adapters.memory import MemoryStore
from compuerta.domain.chart import CONTROLLED, account_of
from compuerta.domain.ledger import PostingKind
from compuerta.domain.money import parse_minor
from compuerta.services import charting, exporting
from compuerta.services.bookkeeping import Wish
from compuerta.services.export_port import BookWriter, Form, Part

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    built = MemoryStore()
    a_month(built)
    return built


def the_books(store: MemoryStore, form: Form, part: Part) -> bytes:
    writers: dict[Form, BookWriter] = {Form.HLEDGER: Hledger(), Form.BEANCOUNT: Beancount()}
    wish = Wish(organisation_id=1, form=form, month=NOVEMBER, part=part)
    made = exporting.make(
        store, wish, writer=writers[form], actor=ANA, now=LATER, told=lambda done, of_all: None
    )
    return exporting.content(store, organisation_id=1, export_no=made.export.export_no)[1]


def told(*command: str) -> tuple[int, str]:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def hledger(file: Path, *command: str) -> tuple[int, str]:
    return told("hledger", "-f", str(file), *command)


def bean_check(file: Path) -> tuple[int, str]:
    return told(sys.executable, "-m", "beancount.scripts.check", str(file))


def kept(path: Path, books: bytes) -> Path:
    path.write_bytes(books)
    return path


def a_cent_more(books: bytes) -> bytes:
    """Return books in which the last asserted balance that is not zero says one cent more."""
    text = books.decode()
    found = [*re.finditer(r"(=\*? |balance \S+  )-?\d+\.(\d\d)", text)][-1]
    last = f"{(int(found[2]) + 1) % 100:02d}"
    return (text[: found.end() - 2] + last + text[found.end() :]).encode()


def test_the_month_has_every_kind_of_event(store: MemoryStore) -> None:
    assert kinds_booked(store) == set(PostingKind)


@pytest.mark.parametrize("part", Part)
def test_hledger_finds_our_books_right_by_its_strictest_checks(
    store: MemoryStore, tmp_path: Path, part: Part
) -> None:
    file = kept(tmp_path / "books.journal", the_books(store, Form.HLEDGER, part))

    assert hledger(file, "check", "--strict") == (0, "")
    assert hledger(file, "check", "--strict", "payees") == (0, "")


def test_hledger_has_our_balances_account_by_account(store: MemoryStore, tmp_path: Path) -> None:
    file = kept(tmp_path / "books.journal", the_books(store, Form.HLEDGER, Part.JOURNAL))

    code, printed = hledger(file, "balance", "--flat", "-E", "--no-total", "-O", "csv", "--layout=bare")

    assert code == 0, printed
    found: Balances = {}
    for account, commodity, balance in re.findall(r'"([^"]+)","([A-Z]{3})","(-?[\d.]+)"', printed):
        _, _, rest = account.partition(":")
        number, detail = rest.partition(" ")[0], rest.partition(":")[2]
        minor = parse_minor(balance, currency=commodity)
        if minor:
            found[f"{number}/{detail}", commodity] = minor
    expected = by_account(store, balances_of(store, until=LATER))
    assert found == {(key.replace(":", "-"), currency): minor for (key, currency), minor in expected.items()}


def test_beancount_finds_our_books_right_with_no_tolerance(store: MemoryStore, tmp_path: Path) -> None:
    for part in Part:
        file = kept(tmp_path / f"{part.value}.beancount", the_books(store, Form.BEANCOUNT, part))

        assert bean_check(file) == (0, "")


def test_beancount_has_our_balances_account_by_account(store: MemoryStore, tmp_path: Path) -> None:
    file = kept(tmp_path / "books.beancount", the_books(store, Form.BEANCOUNT, Part.JOURNAL))

    entries, errors, _ = loader.load_file(str(file))

    assert errors == []
    found: Balances = defaultdict(int)
    for line in (line for entry in entries if isinstance(entry, Transaction) for line in entry.postings):
        _, number, *detail = line.account.split(":")
        name = "".join(detail).removeprefix("P-")
        units = line.units
        found[f"{number.replace('-', '.')}/{name}", units.currency] += parse_minor(
            str(units.number), currency=units.currency
        )
    expected = by_account(store, balances_of(store, until=LATER))
    written = {"counter 1": "counter-20-1", "counter 1:card": "counter-20-1-3a-card"}
    assert found == {
        (
            f"{key.partition('/')[0]}/{written.get(key.partition('/')[2], key.partition('/')[2])}",
            currency,
        ): minor
        for (key, currency), minor in expected.items()
    }


@pytest.mark.parametrize("part", Part)
def test_a_balance_that_is_one_cent_off_is_refused_by_both(
    store: MemoryStore, tmp_path: Path, part: Part
) -> None:
    wrong = kept(tmp_path / "wrong.journal", a_cent_more(the_books(store, Form.HLEDGER, part)))
    wrong_too = kept(tmp_path / "wrong.beancount", a_cent_more(the_books(store, Form.BEANCOUNT, part)))

    assert hledger(wrong, "check", "--strict")[0] == 1
    assert bean_check(wrong_too)[0] == 1


def test_control_accounts_have_the_same_balance_in_both_parts(store: MemoryStore, tmp_path: Path) -> None:
    whole = kept(tmp_path / "whole.journal", the_books(store, Form.HLEDGER, Part.JOURNAL))
    customers = kept(tmp_path / "customers.journal", the_books(store, Form.HLEDGER, Part.CUSTOMERS))
    numbers = "|".join(f":{re.escape(number)} " for number in control_numbers(store))

    query = ("balance", "-E", "--no-total", "--depth", "2", f"^(assets|liabilities)({numbers})")

    assert hledger(whole, *query) == hledger(customers, *query)
    assert hledger(whole, *query)[1].count("CNY") >= 2


def control_numbers(store: MemoryStore) -> set[str]:
    with store.transaction() as tx:
        chart = charting.chart_of(tx, 1)
    return {chart[code].number for code in CONTROLLED}


def by_account(store: MemoryStore, balances: Balances) -> Balances:
    """Return balances by the number and detail of the account that each code is told as."""
    found: Balances = defaultdict(int)
    with store.transaction() as tx:
        chart, providers = charting.chart_of(tx, 1), tx.exports.providers(1)
    for (code, currency), minor in balances.items():
        account = account_of(code, chart=chart, providers=providers)
        assert account is not None
        found[f"{account.number}/{account.detail}", currency] += minor
    return {key: minor for key, minor in found.items() if minor}

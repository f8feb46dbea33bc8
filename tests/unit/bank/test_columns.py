"""Banks' CSV by a map of its columns: whatever order, encoding and sign they write, or why not."""

from datetime import date

import pytest

from compuerta.adapters.bank import columns
from compuerta.adapters.bank.columns import ColumnMap, DayOrder, Typed
from compuerta.services.bank_sheet import BankSheet, FileUnreadable

MAP = ColumnMap(day="Date", amount="Amount", balance="Balance", reference="Ref", text="Text")
FILE = (
    "Account,302\n\nDate,Ref,Text,Amount,Balance\n2026-11-23,p1,one,49.70,149.70\n"
    "2026-11-24,,two,-9.70,140.00\n"
)
NO_BALANCE = ColumnMap(day="Date", amount="Amount")


def read(file: str | bytes, some: ColumnMap = MAP, typed: Typed = Typed()) -> BankSheet:  # noqa: B008
    raw = file.encode() if isinstance(file, str) else file
    (sheet,) = columns.read(raw, some, currency="CNY", typed=typed)
    return sheet


def fault_of(file: str | bytes, some: ColumnMap = MAP) -> FileUnreadable:
    with pytest.raises(FileUnreadable) as unreadable:
        read(file, some)
    return unreadable.value


def test_the_balances_say_where_it_begins_and_ends() -> None:
    sheet = read(FILE)

    assert (sheet.opening_minor, sheet.closing_minor) == (10_000, 14_000)
    assert (sheet.starts_on, sheet.ends_on) == (date(2026, 11, 23), date(2026, 11, 24))
    assert [(each.amount_minor, each.reference, each.text) for each in sheet.entries] == [
        (4_970, "p1", "one"),
        (-970, "", "two"),
    ]


def test_a_bank_that_writes_the_newest_first_reads_alike() -> None:
    *head, first, second = FILE.splitlines()

    assert read("\n".join([*head, second, first])) == read(FILE)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_chinese_columns_read_in_both_encodings_and_with_a_mark_at_the_front(encoding: str) -> None:
    some = ColumnMap(
        day="交易日期", credit="收入金额", debit="支出金额", balance="余额", text="摘要",
        encoding="gb18030" if encoding == "gb18030" else "utf-8",
    )  # fmt: skip
    file = (
        '交易日期,摘要,收入金额,支出金额,余额\n20261123,提现,"1,049.70",,1149.70\n'
        "2026年11月24日,费,,9.70,1140.00\n"
    )

    sheet = read(file.encode(encoding), some)

    assert [each.amount_minor for each in sheet.entries] == [104_970, -970]
    assert sheet.entries[0].text == "提现"


def test_days_and_decimals_are_read_as_the_map_says() -> None:
    some = ColumnMap(day="Date", amount="Amount", balance="Balance", delimiter=";", decimal=",",
                     order=DayOrder.DAY_FIRST)  # fmt: skip

    sheet = read("Date;Amount;Balance\n03.11.2026;1.049,70;1.149,70\n", some)

    assert (sheet.starts_on, sheet.opening_minor, sheet.closing_minor) == (date(2026, 11, 3), 10_000, 114_970)


def test_without_a_column_of_balances_both_are_typed() -> None:
    file = "Date,Amount\n2026-11-23,1.00\n"

    sheet = read(file, NO_BALANCE, Typed(opening_minor=0, closing_minor=100))

    assert (sheet.opening_minor, sheet.closing_minor) == (0, 100)
    assert fault_of(file, NO_BALANCE).faults[0].what == "balance"


def test_every_faulty_row_is_told_by_its_number() -> None:
    file = FILE.replace("49.70,149", "4x,149").replace("2026-11-24", "24 Nov")

    assert [fault.row_no for fault in fault_of(file).faults] == [4, 5]


@pytest.mark.parametrize(
    "file",
    [
        FILE.replace("-9.70", "-9.60"), FILE.replace("Balance\n", "Saldo\n"), FILE.replace("140.00", ""),
        "", FILE.splitlines()[2], "Date,Amount\n电".encode("gb18030"), b"\x00",
        FILE.replace("Date", "Date\x00"), f"{FILE}\x00",
    ],
)  # fmt: skip
def test_what_does_not_tie_or_is_no_such_file_is_refused(file: str | bytes) -> None:
    assert fault_of(file).faults


def test_rows_of_two_accounts_are_refused() -> None:
    some = ColumnMap(day="Date", amount="Amount", number="Account")

    assert fault_of("Account,Date,Amount\n1,2026-11-23,1\n2,2026-11-23,1\n", some).faults[0].what == "Account"

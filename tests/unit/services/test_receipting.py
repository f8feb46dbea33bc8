"""Receipts: what they say, in which words, and that they are handed out once."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.services.town import (
    METER,
    NOON,
    PLATFORM,
    SECOND,
    WECHAT,
    Home,
    a_town,
    an_id,
    paid,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain.contact import Language
from compuerta.domain.division import PartKind
from compuerta.services import receipting
from compuerta.services.receipt_sheet import Sheet, mask, sheet_of
from compuerta.services.receipting import Receipt, ReceiptUnknown, Standing
from compuerta.services.shift_port import TillSale

TOKEN = an_id("token of a receipt")


def a_home(store: MemoryStore, *, authority: object = PLATFORM) -> Home:
    """Return a home of which 50.00 was paid."""
    home = a_town(store, authorities=(PLATFORM if authority is PLATFORM else METER,)).homes[0]
    paid(store, home)
    return home


def a_receipt(store: MemoryStore, home: Home, *, minutes: int = 1) -> Receipt:
    recharge_id = receipting.recharge_of(
        store, account_id=home.account_id, provider=WECHAT, reference="order1"
    )
    assert recharge_id is not None
    return receipting.hand_out(
        store,
        account_id=home.account_id,
        recharge_id=recharge_id,
        token=TOKEN,
        now=NOON + timedelta(minutes=minutes),
    )


def told(sheet: Sheet) -> dict[str, str]:
    return {row.label: row.value for section in sheet.sections for row in section}


def a_sale(home: Home, **changed: object) -> TillSale:
    sale = TillSale(
        account_id=home.account_id,
        attempt_id=an_id("attempt order1"),
        organisation_id=1,
        provider="till",
        shift_id=an_id("shift"),
        receipt_no=123,
        tenders={"cash": 6_000},
        change_minor=1_000,
        sold_by="ana",
        sold_at=NOON,
    )
    return replace(sale, **changed)  # type: ignore[arg-type]


def test_a_receipt_is_handed_out_once_and_keeps_its_token() -> None:
    store = MemoryStore()
    home = a_home(store)
    first = a_receipt(store, home)

    again = receipting.hand_out(
        store,
        account_id=home.account_id,
        recharge_id=first.sold.recharge.recharge_id,
        token=an_id("another"),
        now=NOON + timedelta(days=40),
    )

    assert again == first
    assert first.handed_out is not None and first.handed_out.token == TOKEN


def test_the_number_is_of_the_site_s_day_whenever_it_is_handed_out() -> None:
    soon, late = MemoryStore(), MemoryStore()

    first = a_receipt(soon, a_home(soon))
    later = a_receipt(late, a_home(late), minutes=60 * 24 * 30)

    assert first.number == later.number
    assert re.fullmatch(r"261122-[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}", first.number)


def test_a_till_gives_its_own_number() -> None:
    store = MemoryStore()
    home = a_home(store)
    with store.transaction() as tx:
        tx.shifts.put_sale(a_sale(home))

    assert a_receipt(store, home).number == "till-000123"


def test_from_the_second_print_on_it_is_a_copy() -> None:
    store = MemoryStore()
    home = a_home(store)
    recharge_id = a_receipt(store, home).sold.recharge.recharge_id

    copies = [
        receipting.print_out(
            store, account_id=home.account_id, recharge_id=recharge_id, token=TOKEN, now=NOON
        ).copy_no
        for _ in range(3)
    ]

    assert copies == [0, 1, 2]


def test_the_stamp_of_a_copy_says_which() -> None:
    store = MemoryStore()
    home = a_home(store)
    receipt = a_receipt(store, home)
    assert receipt.handed_out is not None

    second = replace(receipt, handed_out=replace(receipt.handed_out, prints=3))

    assert sheet_of(receipt, language=Language.ENGLISH, masked=False).stamps == ()
    assert sheet_of(second, language=Language.ENGLISH, masked=False).stamps == ("COPY 2",)


def test_no_recharge_no_receipt() -> None:
    store = MemoryStore()
    home = a_home(store)

    with pytest.raises(ReceiptUnknown):
        receipting.hand_out(
            store, account_id=home.account_id, recharge_id=an_id("nothing"), token=TOKEN, now=NOON
        )

    assert not store.tables.receipts


def test_the_lines_add_up_to_what_was_paid() -> None:
    store = MemoryStore()
    receipt = a_receipt(store, a_home(store))

    assert sum(line.amount_minor for line in receipt.lines) == receipt.sold.recharge.paid_minor == 5_000


def test_a_recharge_from_before_there_were_lines_has_its_sums() -> None:
    store = MemoryStore()
    home = a_home(store)
    recharge_id, recharge = next(iter(store.tables.recharges.items()))
    store.tables.recharge_lines.clear()
    store.tables.recharges[recharge_id] = replace(recharge, credit_minor=4_600, debt_minor=400)

    receipt = a_receipt(store, home)

    assert [(line.kind, line.amount_minor) for line in receipt.lines] == [
        (PartKind.DEBT, 400),
        (PartKind.ENERGY, 4_600),
    ]


def test_what_it_buys_is_said_while_the_price_is_known() -> None:
    soon, late = MemoryStore(), MemoryStore()
    bought = a_receipt(soon, a_home(soon))
    later = a_receipt(late, a_home(late), minutes=61)

    assert bought.handed_out is not None and bought.handed_out.bought_wh == 94_339  # 50.00 at 0.53
    assert later.handed_out is not None and later.handed_out.bought_wh is None


def test_what_has_not_happened_yet_is_on_its_way() -> None:
    store = MemoryStore()
    receipt = a_receipt(store, a_home(store, authority=METER))

    lines = told(sheet_of(receipt, language=Language.ENGLISH, masked=False))

    assert receipt.standing is Standing.ON_ITS_WAY
    assert lines["Paid"] == "11-22 12:00:00"
    assert (lines["Credited"], lines["Power on"]) == ("on its way", "on its way")
    assert "Balance after" not in lines


def test_a_receipt_says_the_balance_before_and_after() -> None:
    store = MemoryStore()
    lines = told(sheet_of(a_receipt(store, a_home(store)), language=Language.SPANISH, masked=False))

    assert (lines["Saldo anterior"], lines["Saldo posterior"]) == ("0,00 ¥", "50,00 ¥")
    assert lines["Compra aprox."] == "94,33 kWh"
    assert lines["Fecha"] == "2026-11-22 12:00:00 UTC+08:00"


def test_a_void_sale_says_so_and_promises_nothing() -> None:
    store = MemoryStore()
    home = a_home(store, authority=METER)
    with store.transaction() as tx:
        tx.shifts.put_sale(a_sale(home, voided_at=NOON + SECOND, void_receipt_no=124))
    receipt = a_receipt(store, home)

    sheet = sheet_of(receipt, language=Language.ENGLISH, masked=False)

    assert receipt.standing is Standing.VOIDED
    assert sheet.stamps == ("VOID",)
    assert told(sheet)["Counter-receipt"] == "till-000124"
    assert "Credited" not in told(sheet)


def test_credit_that_was_taken_back_is_void() -> None:
    store = MemoryStore()
    receipt = a_receipt(store, a_home(store))

    undone = replace(receipt, sold=replace(receipt.sold, undone=True))

    assert undone.standing is Standing.VOIDED
    assert sheet_of(undone, language=Language.SPANISH, masked=False).stamps == ("ANULADO",)


def test_a_refund_is_told_with_its_amount() -> None:
    store = MemoryStore()
    receipt = a_receipt(store, a_home(store))

    refunded = replace(receipt, sold=replace(receipt.sold, refunded_minor=2_000))
    sheet = sheet_of(refunded, language=Language.CHINESE, masked=False)

    assert refunded.standing is Standing.REFUNDED
    assert sheet.stamps == ("已退款",)
    assert told(sheet)["退款金额"] == "¥20.00"


def test_tender_and_change_are_on_the_till_s_receipt() -> None:
    store = MemoryStore()
    home = a_home(store)
    with store.transaction() as tx:
        tx.shifts.put_sale(a_sale(home))

    lines = told(sheet_of(a_receipt(store, home), language=Language.ENGLISH, masked=False))

    assert (lines["Cash"], lines["Change"]) == ("¥60.00", "¥10.00")
    assert (lines["Till"], lines["Cashier"]) == ("till", "ana")


@pytest.mark.parametrize(
    ("name", "shown"), [("Mercedes Sosa", "M… S…"), ("王小明", "王…"), ("", ""), (" a ", "a…")]
)
def test_a_masked_name_is_its_owners_only(name: str, shown: str) -> None:
    assert mask(name) == shown


def test_a_masked_receipt_does_not_say_whose_it_is() -> None:
    store = MemoryStore()
    receipt = a_receipt(store, a_home(store))
    theirs = replace(receipt, account=replace(receipt.account, name="Mercedes Sosa"))

    masked = told(sheet_of(theirs, language=Language.ENGLISH, masked=True))
    whole = told(sheet_of(theirs, language=Language.ENGLISH, masked=False))

    assert masked["Customer"] == "M… S…"
    assert whole["Customer"] == "Mercedes Sosa"


def test_a_token_leads_to_its_receipt_and_another_nowhere() -> None:
    store = MemoryStore()
    receipt = a_receipt(store, a_home(store))

    assert receipting.genuine(store, TOKEN, now=NOON) == receipt
    assert receipting.genuine(store, an_id("guessed"), now=NOON) is None

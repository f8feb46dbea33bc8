"""Providers' bills against our books: every difference, found alike by both stores."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from tests.contract.conftest import MemoryShelf, Shelf
from tests.unit.payments.wechat_side import a_cheap_pair
from tests.unit.services.town import NOON, SECOND, WECHAT, Home, Town, a_town, an_id, ordered, paid

from compuerta.adapters.memory import compare_bill
from compuerta.adapters.postgres import bulk_statements
from compuerta.domain.correction import Correction, CorrectionKind, Way
from compuerta.domain.ledger import PROVIDER_FEE, SUSPENSE, cash
from compuerta.domain.naming import named
from compuerta.domain.payment import Refund, RefundState, payment_id
from compuerta.services import agreeing, statement_days, statement_sheet, vend
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.agreeing import Bill, DifferenceUnknown, Outcome
from compuerta.services.payment_ports import StatementKind, StatementLine
from compuerta.services.statement_port import Compared, Difference, Scope, Statement, StatementState, What
from compuerta.services.statement_sheet import Sheet

DAY = date(2026, 11, 22)
SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "payments"
ZONE = "Asia/Shanghai"
HOURS_LATER = NOON + timedelta(hours=24)
ANA = Actor(who="ana", why="the provider has said so", origin="console")


@pytest.fixture
def town(shelf: Shelf) -> Town:
    """Two homes, a provider, and the day's bill begun."""
    town = a_town(shelf.store)
    begin(shelf, DAY)
    return town


def begin(shelf: Shelf, day: date) -> Statement:
    begun = Statement(
        provider=WECHAT, day=day, kind=StatementKind.TRADE, organisation_id=1, currency="CNY", ask_at=NOON
    )
    with shelf.store.transaction() as tx:
        tx.statements.put([begun])
    return begun


def a_line(number: str = "t1", **changes: object) -> StatementLine:
    """A line of `a_payment`, unless changed."""
    line = StatementLine(
        transaction_no=number,
        reference="order1",
        refund_reference="",
        amount_minor=5_000,
        fee_micro=300_000,
        currency="CNY",
        at=NOON,
        state="SUCCESS",
    )
    return line._replace(**changes)  # type: ignore[arg-type]  # each field is given by its name


def compare_of(shelf: Shelf) -> Callable[[Sheet, Scope], Compared]:
    if isinstance(shelf, MemoryShelf):
        memory = shelf.store
        return lambda sheet, scope: compare_bill(memory, sheet, scope)
    postgres = shelf.store  # type: ignore[unreachable, unused-ignore]
    return lambda sheet, scope: bulk_statements.compare(postgres, sheet, scope)  # type: ignore[arg-type]


def taken(
    shelf: Shelf, lines: Sequence[StatementLine], *, day: date = DAY, payees: bool = False
) -> Statement:
    """Take a bill of these lines."""
    with shelf.store.transaction() as tx:
        known = tx.statements.statement(begin(shelf, day).key)
    assert known is not None
    bill = Bill(
        statement=known,
        sheet=statement_sheet.written(lines),
        scope=statement_days.scope_of(known, zone=ZONE),
        payees=payees,
    )
    return agreeing.take(shelf.store, compare_of(shelf), bill, now=HOURS_LATER)


@pytest.mark.outside
def test_the_recorded_bill_adds_up_and_agrees_but_for_what_is_not_ours(shelf: Shelf, town: Town) -> None:
    recorded = SAMPLES / "wechat_tradebill_ALL_2026-11-21.csv"
    if not recorded.is_file():
        pytest.skip("the recorded samples are not beside the project")
    _, provider = a_cheap_pair()
    lines = list(provider.lines(recorded.read_bytes(), StatementKind.TRADE))

    told = taken(shelf, lines, day=date(2026, 11, 21))

    assert (told.lines, told.gross_minor, told.refunded_minor, told.fee_micro) == (3, 7_000, 1_000, 360_000)
    outcomes = [each.outcome for each in differences(shelf, day=date(2026, 11, 21))]
    assert outcomes == ["unasked", "reference_unknown", "reference_unknown"]
    assert shelf.booked_minor(SUSPENSE) == -6_000
    assert shelf.booked_minor(cash(WECHAT)) == 6_000 - 36


def test_who_crashed_before_settling_goes_on_when_the_bill_comes_again(shelf: Shelf, town: Town) -> None:
    ordered(shelf.store, town.homes[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreeing, "settle", _crash)
        with pytest.raises(KeyboardInterrupt):
            taken(shelf, [a_line()])
    before = shelf.count("payment")

    taken(shelf, [a_line()])

    assert (before, shelf.count("payment")) == (0, 1)
    assert the_one(shelf).outcome == vend.Outcome.CREDITED.value


def _crash(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def differences(shelf: Shelf, *, day: date = DAY) -> list[Difference]:
    with shelf.store.transaction() as tx:
        return tx.statements.differences(begin(shelf, day).key)


def the_one(shelf: Shelf, *, day: date = DAY) -> Difference:
    (found,) = differences(shelf, day=day)
    return found


def test_a_bill_that_agrees_leaves_no_rows_and_adds_up(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])

    told = taken(shelf, [a_line()])

    assert differences(shelf) == []
    assert (told.state, told.lines, told.matched, told.differing) == (StatementState.MATCHED, 1, 1, 0)
    assert (told.gross_minor, told.refunded_minor, told.fee_micro) == (5_000, 0, 300_000)
    assert told.ask_at is None


def test_a_payment_that_was_lost_is_found_by_the_bill_and_credited_once(shelf: Shelf, town: Town) -> None:
    ordered(shelf.store, town.homes[0])

    taken(shelf, [a_line()])
    taken(shelf, [a_line()])

    found = the_one(shelf)
    assert (found.what, found.outcome) == (What.THEIRS_ONLY, vend.Outcome.CREDITED.value)
    assert shelf.count("payment") == 1
    assert shelf.count("recharge") == 1
    assert shelf.booked_minor(cash(WECHAT)) == 5_000 - 30


def test_money_that_nobody_ordered_waits_in_suspense_with_a_case(shelf: Shelf, town: Town) -> None:
    taken(shelf, [a_line(reference="unknown")])

    assert the_one(shelf).outcome == vend.Outcome.REFERENCE_UNKNOWN.value
    assert shelf.booked_minor(SUSPENSE) == -5_000
    assert shelf.count("case_file") == 1


def test_what_payers_typed_is_whom_the_money_is_for(shelf: Shelf, town: Town) -> None:
    taken(shelf, [a_line(reference="flat 1")], payees=True)

    assert the_one(shelf).outcome == vend.Outcome.CREDITED.value


def test_what_payers_did_not_type_names_no_room(shelf: Shelf, town: Town) -> None:
    taken(shelf, [a_line(reference="flat 1")])

    assert the_one(shelf).outcome == vend.Outcome.REFERENCE_UNKNOWN.value


def test_money_of_ours_alone_waits_for_the_next_bill_and_is_then_a_case(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])

    taken(shelf, [])
    waiting = the_one(shelf)
    cases_before = shelf.count("case_file")
    taken(shelf, [], day=DAY + timedelta(days=1))

    assert (waiting.what, waiting.waits, cases_before) == (What.OURS_ONLY, True, 0)
    assert (waiting.theirs_minor, waiting.ours_minor) == (None, 5_000)
    lost = the_one(shelf)
    assert (lost.waits, lost.ended_at) == (False, None)
    assert shelf.count("case_file") == 1
    assert shelf.alarm_times(kind="statement_differs", subject=f"{WECHAT} {DAY}") == 1


def test_money_of_ours_waits_no_longer_where_the_next_bill_is_given_up(
    shelf: Shelf, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_days, "ASKS_MAX", 2)
    paid(shelf.store, town.homes[0])
    taken(shelf, [])
    tomorrow, waits = begin(shelf, DAY + timedelta(days=1)), []

    for _ in range(2):
        statement_days.faulty(shelf.store, tomorrow, reason="cut short", now=HOURS_LATER)
        waits.append(the_one(shelf).waits)

    assert waits == [True, False]
    assert shelf.count("case_file") == 1


@pytest.mark.parametrize("beside", [-1, 1])
def test_money_in_the_bill_of_the_day_beside_is_no_difference(shelf: Shelf, town: Town, beside: int) -> None:
    paid(shelf.store, town.homes[0])
    days = sorted([DAY, DAY + timedelta(days=beside)])

    for day in days:
        taken(shelf, [] if day == DAY else [a_line()], day=day)

    there = the_one(shelf, day=DAY + timedelta(days=beside))
    assert (there.what, there.ended_by) == (What.OTHER_DAY, agreeing.BILL)
    assert all(each.outcome == agreeing.OTHER_DAY for each in differences(shelf))
    assert shelf.count("case_file") == 0


def test_another_amount_is_a_difference_with_a_case(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])

    told = taken(shelf, [a_line(amount_minor=4_000)])

    found = the_one(shelf)
    assert (found.what, found.theirs_minor, found.ours_minor) == (What.AMOUNT, 4_000, 5_000)
    assert (told.matched, told.differing) == (0, 1)
    assert shelf.count("case_file") == 1
    assert shelf.booked_minor(cash(WECHAT)) == 5_000 - 30


def test_another_currency_is_another_amount_and_not_added_up(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])

    told = taken(shelf, [a_line(currency="USD")])

    assert the_one(shelf).what is What.AMOUNT
    assert (told.lines, told.gross_minor, told.fee_micro) == (1, 0, 0)


def test_the_order_of_another_payment_is_a_difference(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])
    ordered(shelf.store, town.homes[0], reference="order2")

    taken(shelf, [a_line(reference="order2")])

    assert the_one(shelf).what is What.REFERENCE


def test_a_reference_that_names_no_order_of_ours_is_no_difference(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])

    taken(shelf, [a_line(reference="000000000001")])

    assert differences(shelf) == []


def test_a_line_twice_is_a_difference_and_credits_once(shelf: Shelf, town: Town) -> None:
    ordered(shelf.store, town.homes[0])

    taken(shelf, [a_line(), a_line()])

    found = {each.what: each for each in differences(shelf)}
    assert found.keys() == {What.THEIRS_ONLY, What.TWICE}
    assert found[What.TWICE].theirs_minor == 10_000
    assert shelf.count("payment") == 1


def a_refund(home: Home, *, ended_at: datetime | None = NOON + SECOND, **changes: object) -> Refund:
    made = Refund(
        account_id=home.account_id,
        refund_id=an_id("refund"),
        correction_id=None,
        payment_id=payment_id(provider=WECHAT, transaction_no="t1"),
        provider=WECHAT,
        reference="back1",
        amount_minor=2_000,
        currency="CNY",
        created_at=NOON,
        state=RefundState.SENT if ended_at is None else RefundState.DONE,
        ended_at=ended_at,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # each field is given by its name


def refunded(shelf: Shelf, refund: Refund) -> None:
    with shelf.store.transaction() as tx:
        tx.corrections.put_refund(refund)


A_REFUND = a_line(amount_minor=-2_000, refund_reference="back1", fee_micro=-120_000, state="REFUND")


def test_a_refund_that_agrees_leaves_no_rows(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])
    refunded(shelf, a_refund(town.homes[0]))

    told = taken(shelf, [a_line(), A_REFUND])

    assert differences(shelf) == []
    assert (told.gross_minor, told.refunded_minor, told.fee_micro) == (5_000, 2_000, 180_000)


def test_a_refund_whose_end_is_not_known_yet_is_of_another_day(shelf: Shelf, town: Town) -> None:
    home = town.homes[0]
    paid(shelf.store, home)
    wish = Correction(
        account_id=home.account_id,
        correction_id=an_id("correction"),
        organisation_id=1,
        kind=CorrectionKind.REFUND,
        amount_minor=2_000,
        currency="CNY",
        why="paid twice",
        proposed_by="ana",
        proposed_at=NOON,
        payment_id=payment_id(provider=WECHAT, transaction_no="t1"),
        way=Way.PROVIDER,
    )
    with shelf.store.transaction() as tx:
        tx.corrections.put(wish)
    refunded(shelf, a_refund(home, ended_at=None, correction_id=wish.correction_id))

    taken(shelf, [a_line(), A_REFUND])

    assert the_one(shelf).what is What.OTHER_DAY


def test_a_refund_that_only_the_provider_knows_of_is_heard_once(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])

    taken(shelf, [a_line(), A_REFUND])
    taken(shelf, [a_line(), A_REFUND])

    found = the_one(shelf)
    assert (found.what, found.outcome) == (What.REFUND_THEIRS_ONLY, "unasked")
    assert shelf.count("refund") == 1


def test_a_refund_without_a_name_is_heard_once(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])
    nameless = A_REFUND._replace(refund_reference="")

    taken(shelf, [a_line(), nameless])
    taken(shelf, [a_line(), nameless, a_line("t2", reference="unknown")])

    whats = [each.what for each in differences(shelf)]
    assert whats == [What.REFUND_THEIRS_ONLY, What.OTHER_DAY, What.THEIRS_ONLY]
    assert shelf.count("refund") == 1


def test_a_refund_that_a_bill_told_of_is_not_missed_in_the_next(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])

    taken(shelf, [a_line(), A_REFUND])
    for later in (1, 2):
        taken(shelf, [], day=DAY + timedelta(days=later))

    assert differences(shelf, day=DAY + timedelta(days=1)) == []


def test_a_refund_that_was_told_as_part_of_a_total_is_not_booked_again(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])
    refunded(shelf, a_refund(town.homes[0], reference="t1:2000"))

    taken(shelf, [a_line(), A_REFUND])

    assert the_one(shelf).outcome == agreeing.NAMELESS
    assert shelf.count("refund") == 1


def test_a_refund_of_a_payment_that_nobody_knows_is_a_case(shelf: Shelf, town: Town) -> None:
    taken(shelf, [A_REFUND])

    found = the_one(shelf)
    assert (found.what, found.ended_at) == (What.REFUND_THEIRS_ONLY, None)
    assert shelf.count("case_file") == 1


def test_a_refund_of_ours_alone_waits_and_is_then_a_case(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])
    refunded(shelf, a_refund(town.homes[0]))

    taken(shelf, [a_line()])
    assert (the_one(shelf).what, the_one(shelf).waits) == (What.REFUND_OURS_ONLY, True)
    taken(shelf, [], day=DAY + timedelta(days=1))

    assert not the_one(shelf).waits
    assert shelf.count("case_file") == 1


def test_what_was_paid_and_given_back_on_one_day_credits_nobody(shelf: Shelf, town: Town) -> None:
    ordered(shelf.store, town.homes[0])

    taken(shelf, [a_line(), A_REFUND._replace(amount_minor=-5_000)])

    assert {each.outcome for each in differences(shelf)} == {agreeing.GIVEN_BACK}
    assert shelf.count("payment") == 0


def test_the_rest_of_a_fee_is_carried_and_never_lost(shelf: Shelf, town: Town) -> None:
    # Three days of 0.334 fen each: nothing, a fen, nothing; together a fen, and 0.002 are carried.
    for place in range(3):
        line = a_line(f"t{place}", reference="unknown", fee_micro=3_340)
        taken(shelf, [line], day=DAY + timedelta(days=place))

    assert shelf.booked_minor(PROVIDER_FEE) == 1
    with shelf.store.transaction() as tx:
        key = begin(shelf, DAY + timedelta(days=3)).key
        assert tx.statements.fees_but(key, currency="CNY") == (10_020, 1)


def test_a_bill_that_changed_replaces_what_nobody_has_ended_and_says_so(shelf: Shelf, town: Town) -> None:
    for name in ("1", "2"):
        paid(shelf.store, town.homes[0], name=name)
    second = a_line("t2", reference="order2")
    taken(shelf, [a_line(amount_minor=1), second._replace(amount_minor=2)])
    first_no = differences(shelf)[0].difference_no
    agreeing.end(
        shelf.store, begin(shelf, DAY).key, first_no, Outcome.PROVIDER_WRONG,
        actor=ANA, act_id=an_id("end"), now=HOURS_LATER,
    )  # fmt: skip

    told = taken(shelf, [a_line(amount_minor=1, fee_micro=10_000), second._replace(fee_micro=10_000)])

    assert [each.outcome for each in differences(shelf)] == ["provider_wrong", agreeing.CHANGED]
    assert (told.version, told.differing) == (2, 1)
    assert shelf.booked_minor(PROVIDER_FEE) == 2
    assert shelf.alarm_times(kind="statement_changed", subject=f"{WECHAT} {DAY}") == 1


def test_the_same_bill_again_changes_nothing(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])
    bill = [a_line(amount_minor=1), a_line("t9", reference="unknown")]
    first = taken(shelf, bill)
    rows, postings = differences(shelf), shelf.count("posting")

    again = taken(shelf, bill)

    assert (again, differences(shelf), shelf.count("posting")) == (first, rows, postings)


def test_a_difference_is_ended_once_with_a_reason_and_closes_its_case(shelf: Shelf, town: Town) -> None:
    paid(shelf.store, town.homes[0])
    taken(shelf, [a_line(amount_minor=1)])
    key, number = begin(shelf, DAY).key, the_one(shelf).difference_no

    def end(actor: Actor) -> Difference:
        return agreeing.end(
            shelf.store, key, number, Outcome.BORNE, actor=actor, act_id=an_id("end"), now=HOURS_LATER
        )

    with pytest.raises(ReasonMissing):
        end(replace(ANA, why=" "))
    ended = end(ANA)
    with pytest.raises(DifferenceUnknown):
        end(ANA)

    assert (ended.ended_by, ended.outcome, ended.note) == ("ana", "borne", ANA.why)
    case_id = named("statement_difference", WECHAT, DAY, "trade", number)
    with shelf.store.transaction() as tx:
        case = tx.corrections.case(town.suspense_id, case_id)
    assert case is not None and case.outcome == ANA.why


def test_strange_letters_in_a_bill_are_kept_as_question_marks(shelf: Shelf, town: Town) -> None:
    taken(shelf, [a_line("t\\1", reference="a\tb\nc\x00")])

    assert (the_one(shelf).transaction_no, the_one(shelf).reference) == ("t?1", "a?b?c?")


def test_a_bill_with_too_many_differences_is_not_used(
    shelf: Shelf, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_sheet, "DIFFERENCES_MAX", 1)

    with pytest.raises(statement_sheet.TooDifferent):
        taken(shelf, [a_line("t1"), a_line("t2")])

    assert differences(shelf) == []
    assert shelf.count("payment") == 0

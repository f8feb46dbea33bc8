"""Postings sum to zero, once, or are told why not."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain.ledger import (
    DELIVERED,
    LINES_MAX,
    REVENUE_ENERGY,
    SUSPENSE,
    UNDELIVERED,
    Line,
    Outcome,
    Posting,
    PostingKind,
    cash,
    is_code,
    judge,
    judge_all,
    liability_minor,
    transfer,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CODES = (UNDELIVERED, DELIVERED, SUSPENSE, REVENUE_ENERGY, "cash:wechat")
amounts = st.integers(min_value=-(10**14), max_value=10**14).filter(bool)


def a_posting(*lines: Line, number: int = 1) -> Posting:
    return Posting(
        account_id=1,
        posting_id=UUID(int=number),
        kind=PostingKind.RECHARGE,
        currency="CNY",
        lines=lines or transfer(debit=cash("wechat"), credit=UNDELIVERED, amount_minor=5_000),
        booked_at=NOON,
        cause_id=UUID(int=100 + number),
    )


def a_line(amount_minor: int, code: str = UNDELIVERED) -> Line:
    return Line(code=code, amount_minor=amount_minor)


@st.composite
def balanced_postings(draw: st.DrawFn) -> Posting:
    lines = draw(
        st.lists(st.builds(Line, code=st.sampled_from(CODES), amount_minor=amounts), min_size=1, max_size=9)
    )
    rest = -sum(line.amount_minor for line in lines)
    return a_posting(*lines, *([a_line(rest)] if rest else []))


@given(posting=balanced_postings())
def test_a_posting_that_sums_to_zero_is_created(posting: Posting) -> None:
    assert judge(posting, known=None) is Outcome.CREATED


@given(posting=balanced_postings(), off_by=amounts)
def test_a_posting_that_does_not_sum_to_zero_is_unbalanced(posting: Posting, off_by: int) -> None:
    spoiled = replace(posting, lines=(*posting.lines, a_line(off_by)))

    assert judge(spoiled, known=None) is Outcome.UNBALANCED
    assert judge(spoiled, known=posting) is Outcome.UNBALANCED


def test_each_refusal_has_its_name() -> None:
    too_many = [a_line(1)] * LINES_MAX + [a_line(-LINES_MAX)]

    assert judge(replace(a_posting(), lines=()), known=None) is Outcome.EMPTY
    assert judge(a_posting(*too_many), known=None) is Outcome.TOO_MANY_LINES
    assert judge(a_posting(a_line(1), a_line(0), a_line(-1)), known=None) is Outcome.LINE_ZERO
    assert judge(a_posting(a_line(1, "cash:"), a_line(-1)), known=None) is Outcome.CODE_UNKNOWN
    assert judge(a_posting(a_line(1)), known=None) is Outcome.UNBALANCED


def test_as_many_lines_as_are_allowed_are_created() -> None:
    full = [a_line(1)] * (LINES_MAX - 1) + [a_line(1 - LINES_MAX)]

    assert judge(a_posting(*full), known=None) is Outcome.CREATED


def test_the_first_refusal_by_precedence_is_told() -> None:
    zero_and_unknown_and_unbalanced = a_posting(a_line(0, "nowhere"), a_line(7))
    unknown_and_unbalanced = a_posting(a_line(1, "nowhere"), a_line(7))

    assert judge(zero_and_unknown_and_unbalanced, known=None) is Outcome.LINE_ZERO
    assert judge(unknown_and_unbalanced, known=None) is Outcome.CODE_UNKNOWN


def test_the_same_posting_again_exists() -> None:
    later = replace(a_posting(), booked_at=datetime(2026, 11, 23, tzinfo=UTC))

    assert judge(later, known=a_posting()) is Outcome.EXISTS


@pytest.mark.parametrize(
    "different",
    [
        replace(a_posting(), account_id=2),
        replace(a_posting(), kind=PostingKind.SUSPENSE),
        replace(a_posting(), currency="USD"),
        replace(a_posting(), lines=transfer(debit=cash("wechat"), credit=UNDELIVERED, amount_minor=1)),
        replace(a_posting(), lines=a_posting().lines[::-1]),
        replace(a_posting(), cause_id=UUID(int=0)),
        replace(a_posting(), reverses=UUID(int=0)),
    ],
)
def test_a_posting_with_other_contents_exists_differently(different: Posting) -> None:
    assert judge(different, known=a_posting()) is Outcome.EXISTS_DIFFERENT


def test_a_batch_is_judged_in_order_and_against_itself() -> None:
    known, fresh, bad = a_posting(number=1), a_posting(number=2), a_posting(a_line(5), number=3)
    mended = a_posting(number=3)

    judged = judge_all([known, fresh, fresh, bad, mended], known={known.posting_id: known})

    assert judged == [
        (known, Outcome.EXISTS),
        (fresh, Outcome.CREATED),
        (fresh, Outcome.EXISTS),
        (bad, Outcome.UNBALANCED),
        (mended, Outcome.CREATED),
    ]


def test_judging_a_batch_leaves_what_was_known() -> None:
    known: dict[UUID, Posting] = {}

    judge_all([a_posting()], known=known)

    assert known == {}


@pytest.mark.parametrize("code", [*CODES, "cash:till"])
def test_a_code_of_the_general_ledger_is_known(code: str) -> None:
    assert is_code(code)


@pytest.mark.parametrize("code", ["", "cash", "cash:", "delivered ", "revenue", "revenue:", "Cash:wechat"])
def test_any_other_code_is_not(code: str) -> None:
    assert not is_code(code)


def test_a_transfer_takes_from_the_credit_side_and_brings_to_the_debit_side() -> None:
    posting = a_posting(*transfer(debit=UNDELIVERED, credit=DELIVERED, amount_minor=7))

    assert liability_minor(posting, code=UNDELIVERED) == -7
    assert liability_minor(posting, code=DELIVERED) == 7
    assert liability_minor(posting, code=SUSPENSE) == 0

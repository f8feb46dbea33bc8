"""The promises of money and delivery, kept by PostgreSQL alone: raw rows that the code would never write."""

import psycopg
import pytest
from psycopg.errors import CheckViolation, ForeignKeyViolation, UniqueViolation
from tests.schema.conftest import Connection

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

POSTING = """
insert into posting
    (account_id, posting_id, kind, currency, codes, amounts_minor, booked_at, cause_id, reverses)
values (2, gen_random_uuid(), {kind}, {currency}, {codes}, {amounts}, now(), gen_random_uuid(), {reverses})
"""
RECHARGE = """
insert into recharge (account_id, recharge_id, payment_id, meter_id, paid_minor, credit_minor, fee_minor)
values (3, gen_random_uuid(), {payment}, 1, 5000, {credit}, {fee})
"""
UNUSED_PAYMENT = "(select payment_id from payment where account_id = 3 and transaction_no = 't9')"
INSTRUCTION = """
insert into instruction (
    meter_id, instruction_id, account_id, kind, state, created_at, due_at, amount_minor, purchase_no,
    recharge_id, relay_closed, lease_until, ended_at
) values (1, gen_random_uuid(), 2, {kind}, {state}, now(), now(), {amount}, {number}, {recharge}, {closed},
    {lease}, {ended})
"""


def posting(
    *,
    kind: str = "'suspense'",
    currency: str = "'CNY'",
    codes: str = "'{cash:wechat,suspense}'",
    amounts: str = "'{5000,-5000}'",
    reverses: str = "null",
) -> str:
    return POSTING.format(kind=kind, currency=currency, codes=codes, amounts=amounts, reverses=reverses)


def recharge(*, payment: str = UNUSED_PAYMENT, credit: int = 5_000, fee: int = 0) -> str:
    return RECHARGE.format(payment=payment, credit=credit, fee=fee)


def instruction(
    *,
    kind: str = "'recharge'",
    state: str = "'waiting'",
    amount: str = "5000",
    number: str = "2",
    recharge: str = "gen_random_uuid()",
    closed: str = "null",
    lease: str = "null",
    ended: str = "null",
) -> str:
    return INSTRUCTION.format(
        kind=kind, state=state, amount=amount, number=number, recharge=recharge, closed=closed, lease=lease,
        ended=ended,
    )  # fmt: skip


def switch(*, state: str = "'waiting'", lease: str = "null", ended: str = "null") -> str:
    return instruction(
        kind="'switch'", amount="null", number="null", recharge="null", closed="true", state=state,
        lease=lease, ended=ended,
    )  # fmt: skip


@pytest.fixture
def books(lived_in: Connection) -> Connection:
    """A lived-in database, with one payment more that no recharge divides yet."""
    lived_in.execute(
        """insert into payment
        values (3, gen_random_uuid(), 'wechat', 't9', 'order9', 5000, 'CNY', now(), now(), 'credited')"""
    )
    return lived_in


@pytest.mark.parametrize(
    "row", [posting(), recharge(), recharge(credit=4_990, fee=10), instruction(), switch()]
)
def test_a_row_that_keeps_its_promise_is_taken(books: Connection, row: str) -> None:
    assert books.execute(row).rowcount == 1


@pytest.mark.parametrize(
    ("row", "refusal", "constraint"),
    [
        # M1: every posting sums to zero
        (posting(amounts="'{5000,-4999}'"), CheckViolation, "posting_sums_to_zero"),
        (posting(amounts="'{5000,-5000,0}'"), CheckViolation, "posting_has_no_empty_line"),
        (posting(amounts="'{5000,-5000,null}'"), CheckViolation, "posting_has_no_empty_line"),
        (posting(amounts="'{5000,1,-5001}'"), CheckViolation, "posting_lines_match"),
        (posting(codes="'{}'", amounts="'{}'"), CheckViolation, "posting_has_no_empty_line"),
        (posting(currency="'cny'"), CheckViolation, "posting_currency_check"),
        # M3: what was paid is divided whole
        (recharge(credit=4_999), CheckViolation, "recharge_is_divided_whole"),
        (recharge(credit=5_000, fee=1), CheckViolation, "recharge_is_divided_whole"),
        (recharge(credit=5_001, fee=-1), CheckViolation, "recharge_fee_minor_check"),
        (recharge(payment="gen_random_uuid()"), ForeignKeyViolation, "recharge_account_id_payment_id_fkey"),
        (recharge(payment="null"), CheckViolation, "recharge_is_granted_by_one"),
        # M5: a reversal names a posting of its account that is there
        (posting(kind="'reversal'"), CheckViolation, "posting_reversal_names"),
        (posting(reverses="gen_random_uuid()"), CheckViolation, "posting_reversal_names"),
        (
            posting(kind="'reversal'", reverses="gen_random_uuid()"),
            ForeignKeyViolation,
            "posting_account_id_reverses_fkey",
        ),
        # D1: a purchase number is given once, and belongs to a whole recharge
        (instruction(number="1"), UniqueViolation, "instruction_purchase_no_once"),
        (instruction(number="0"), CheckViolation, "instruction_purchase_no_check"),
        (instruction(number="null"), CheckViolation, "instruction_is_whole"),
        (instruction(amount="0"), CheckViolation, "instruction_amount_minor_check"),
        (instruction(closed="true"), CheckViolation, "instruction_is_whole"),
        # D3: what ended has an end, and nothing else has
        (instruction(state="'done'"), CheckViolation, "instruction_ends_once"),
        (instruction(ended="now()"), CheckViolation, "instruction_ends_once"),
        (instruction(state="'in_flight'"), CheckViolation, "instruction_is_leased"),
        (instruction(lease="now()"), CheckViolation, "instruction_is_leased"),
        # S4: recharges are never superseded
        (
            instruction(state="'superseded'", ended="now()"),
            CheckViolation,
            "recharge_is_never_superseded",
        ),
    ],
)
def test_a_row_that_breaks_a_promise_is_refused(
    books: Connection, row: str, refusal: type[psycopg.Error], constraint: str | None
) -> None:
    with pytest.raises(refusal) as refused:
        books.execute(row)

    assert refused.value.diag.constraint_name == constraint


def test_a_switch_can_be_superseded(books: Connection) -> None:
    assert books.execute(switch(state="'superseded'", ended="now()")).rowcount == 1


@pytest.mark.parametrize(
    ("row", "constraint"),
    [
        # M2: a payment credits once, whichever key it is written by again
        (
            """insert into payment_reference
            select provider, kind, reference, account_id + 1, gen_random_uuid()
            from payment_reference where kind = 'transaction' and reference = 't1'""",
            "payment_reference_pkey",
        ),
        (
            """insert into payment
            select account_id, gen_random_uuid(), provider, transaction_no, reference, amount_minor, currency,
                paid_at, posted_at, verdict
            from payment where transaction_no = 't1'""",
            "payment_account_id_provider_transaction_no_key",
        ),
        (
            """insert into posting
            select account_id, gen_random_uuid(), kind, currency, codes, amounts_minor, booked_at, cause_id,
                null
            from posting where kind = 'recharge'""",
            "posting_once",
        ),
        (
            """insert into posting
            select account_id, gen_random_uuid(), kind, currency, codes, amounts_minor, booked_at, cause_id,
                null
            from posting where kind = 'delivery'""",
            "posting_once",
        ),
        (
            """insert into recharge (account_id, recharge_id, payment_id, meter_id, paid_minor, credit_minor)
            select account_id, gen_random_uuid(), payment_id, meter_id, paid_minor, credit_minor
            from recharge""",
            "recharge_account_id_payment_id_key",
        ),
        # D1: a recharge is delivered by one instruction
        (
            """insert into instruction (
                meter_id, instruction_id, account_id, kind, state, created_at, due_at, amount_minor,
                purchase_no, recharge_id
            )
            select meter_id, gen_random_uuid(), account_id, kind, 'waiting', now(), now(), amount_minor, 77,
                recharge_id
            from instruction where kind = 'recharge'""",
            "instruction_delivers_once",
        ),
        # M4: energy is charged once
        (
            """insert into charge (
                account_id, charge_id, meter_id, read_at, from_wh, to_wh, bill_before_minor, bill_after_minor,
                bill_start, from_at, tariff_id, version_no
            )
            select account_id, gen_random_uuid(), meter_id, read_at, from_wh, to_wh, bill_before_minor,
                bill_after_minor, bill_start, from_at, tariff_id, version_no
            from charge""",
            "charge_of_energy_once",
        ),
    ],
)
def test_nothing_is_written_a_second_time_by_another_name(
    books: Connection, row: str, constraint: str
) -> None:
    with pytest.raises(UniqueViolation) as refused:
        books.execute(row)

    assert refused.value.diag.constraint_name == constraint


def test_a_posting_is_reversed_once(books: Connection) -> None:
    row = """
    insert into posting
    select account_id, gen_random_uuid(), 'reversal', currency, codes,
        array(select -amount from unnest(amounts_minor) as amount), now(), posting_id, posting_id
    from posting where kind = 'charge'
    """
    assert books.execute(row).rowcount == 1

    with pytest.raises(UniqueViolation) as refused:
        books.execute(row)

    assert refused.value.diag.constraint_name == "posting_reversed_once"


def test_one_instruction_of_a_meter_is_in_flight(books: Connection) -> None:
    books.execute("delete from instruction where state in ('waiting', 'in_flight')")
    in_flight = switch(state="'in_flight'", lease="now()")
    assert books.execute(in_flight).rowcount == 1

    with pytest.raises(UniqueViolation) as refused:
        books.execute(in_flight)

    assert refused.value.diag.constraint_name == "instruction_in_flight"


def test_more_than_was_paid_is_never_delivered(books: Connection) -> None:
    with pytest.raises(CheckViolation):
        books.execute("update account_state set undelivered_minor = -1")


def test_a_meter_measures_for_one_account_at_a_time(books: Connection) -> None:
    with pytest.raises(UniqueViolation) as refused:
        books.execute("insert into installation (meter_id, account_id, started_at) values (1, 3, now())")

    assert refused.value.diag.constraint_name == "installation_of_meter"

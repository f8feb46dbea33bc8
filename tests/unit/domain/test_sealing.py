"""What is hashed of a posting: known bytes, and nothing left out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from compuerta.domain import sealing
from compuerta.domain.ledger import Line, Posting, PostingKind, transfer

POSTING = Posting(
    account_id=7,
    posting_id=UUID(int=1),
    kind=PostingKind.CHARGE,
    currency="CNY",
    lines=transfer(debit="delivered", credit="revenue:energy", amount_minor=53),
    booked_at=datetime(2000, 1, 1, 0, 0, 1, 2, tzinfo=UTC),
    cause_id=UUID(int=2),
)
BYTES = (
    "0009"
    "00000008 0000000000000007"
    "00000010 00000000000000000000000000000001"
    "00000008 00000000000f4242"
    "00000006 636861726765"
    "00000003 434e59"
    "00000010 00000000000000000000000000000002"
    "ffffffff"
    "00000033 00000001 00000000 00000019 00000002 00000001"
    " 00000009 64656c697665726564 0000000e 726576656e75653a656e65726779"
    "0000002c 00000001 00000000 00000014 00000002 00000001"
    " 00000008 0000000000000035 00000008 ffffffffffffffcb"
)


def test_a_posting_has_the_bytes_that_postgresql_copies_out() -> None:
    assert sealing.canonical(POSTING).hex() == BYTES.replace(" ", "")


def test_what_is_needed_of_a_row_lies_where_it_is_said_to_lie() -> None:
    row = sealing.canonical(POSTING)

    assert int.from_bytes(row[sealing.ACCOUNT_AT], signed=True) == POSTING.account_id
    assert row[sealing.POSTING_AT] == POSTING.posting_id.bytes
    assert sealing.instant_of(row[sealing.BOOKED_AT]) == POSTING.booked_at


@pytest.mark.parametrize(
    "other",
    [
        replace(POSTING, account_id=8),
        replace(POSTING, posting_id=UUID(int=3)),
        replace(POSTING, kind=PostingKind.DELIVERY),
        replace(POSTING, currency="EUR"),
        replace(POSTING, booked_at=POSTING.booked_at + timedelta(microseconds=1)),
        replace(POSTING, cause_id=UUID(int=3)),
        replace(POSTING, reverses=UUID(int=3)),
        replace(POSTING, lines=POSTING.lines[::-1]),
        replace(POSTING, lines=(*POSTING.lines, Line(code="tax", amount_minor=1))),
        # Codes whose letters are the same when they are laid side by side.
        replace(
            POSTING,
            lines=(Line(code="deliveredr", amount_minor=53), Line(code="evenue:energy", amount_minor=-53)),
        ),
    ],
)
def test_whatever_is_changed_changes_the_hash(other: Posting) -> None:
    assert sealing.hash_of(other) != sealing.hash_of(POSTING)


def test_the_bytes_are_those_of_every_column() -> None:
    """A column that is added later has to be hashed too, or somebody says here why not."""
    fields = (set(Posting.__slots__) - {"lines"}) | {"codes", "amounts_minor"}

    assert set(sealing.COLUMNS) == fields


def test_a_text_of_an_anchor_is_half_of_it_in_groups() -> None:
    assert sealing.text_of_anchor(bytes(range(32))) == "00010203 04050607 08090a0b 0c0d0e0f"

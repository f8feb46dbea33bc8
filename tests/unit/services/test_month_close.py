"""Months that are closed: which close has a month in it."""

from datetime import UTC, date, datetime

import pytest

from compuerta.services.month_close import taken_in_by
from compuerta.services.period_port import MonthClose


def a_close(month: date) -> MonthClose:
    return MonthClose(
        organisation_id=1,
        month=month,
        closed_at=datetime(2026, 12, 1, tzinfo=UTC),
        closed_by="accountant",
        why="",
        named={},
        totals=(),
        anchors=(),
        previous=b"",
        digest=b"",
    )


@pytest.mark.parametrize(("month", "closed_with"), [(8, 10), (9, 10), (10, 10), (11, 11), (12, None)])
def test_the_first_close_has_all_months_before_it(month: int, closed_with: int | None) -> None:
    closes = [a_close(date(2026, each, 1)) for each in (11, 10)]

    found = taken_in_by(date(2026, month, 1), closes)

    assert (None if found is None else found.month.month) == closed_with

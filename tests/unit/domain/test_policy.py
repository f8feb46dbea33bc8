"""Policies: three documents over each other, and a fault is named by its field."""

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain.policy import (
    DEFAULT,
    HOLIDAYS_MAX,
    Json,
    Level,
    LevelKind,
    PolicyFaulty,
    Slot,
    levels_of,
    policy_of,
    policy_of_texts,
)

MONEY = {"kind": "money", "value": 5_000}
DAYS = {"kind": "days", "value": 72}


def test_what_nobody_settles_is_as_the_default() -> None:
    assert policy_of() == policy_of({}, {}, {}) == policy_of_texts("{}", "{}") == DEFAULT


def test_the_nearer_document_wins_field_by_field() -> None:
    organisation: dict[str, Json] = {"last_chance_min": 60, "permits": True}
    account: dict[str, Json] = {"last_chance_min": 0}

    settled = policy_of(organisation, {}, account)

    assert (settled.last_chance_min, settled.permits) == (0, True)


def test_every_field_can_be_said() -> None:
    settled = policy_of(
        {
            "emergency_minor": 1_000,
            "emergency_below_minor": 300,
            "emergency_automatic": True,
            "friendly_slots": ["22:00-08:00", "12:00 - 13:30"],
            "friendly_weekends": True,
            "holidays": ["2026-12-25", "2026-01-01", "2026-12-25"],
            "overload_closings_max": 2,
            "overload_rest_min": 10,
            "load_limit_w": 5_000,
            "occupied_idle_days": 3,
            "levels": [MONEY, DAYS],
            "quiet": "22:00-07:00",
            "channels": ["wechat", "sms"],
            "tells_staff": False,
            "recharge_least_minor": 500,
            "recharge_most_minor": None,
            "monthly_fee_since": "2026-11",
            "paid_twice": "suspend",
        }
    )

    assert settled.friendly_slots == (
        Slot(start=time(22), end=time(8)),
        Slot(start=time(12), end=time(13, 30)),
    )
    assert settled.holidays == (date(2026, 1, 1), date(2026, 12, 25))
    assert settled.levels == (Level(kind=LevelKind.MONEY, value=5_000), Level(kind=LevelKind.DAYS, value=72))
    assert settled.channels == ("wechat", "sms")
    assert (settled.recharge_least_minor, settled.recharge_most_minor) == (500, None)
    assert (settled.monthly_fee_since, settled.paid_twice) == ("2026-11", "suspend")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("last_chance_min", -1),
        ("last_chance_min", "60"),
        ("last_chance_min", True),
        ("permits", 1),
        ("emergency_minor", 1.5),
        ("friendly_slots", "22:00-08:00"),
        ("friendly_slots", ["22:00"]),
        ("friendly_slots", ["08:00-08:00"]),
        ("friendly_slots", ["08:00+01:00-09:00"]),
        ("friendly_slots", [8]),
        ("friendly_slots", ["01:00-02:00"] * 9),
        ("holidays", ["25 December"]),
        ("holidays", [None]),
        ("holidays", ["2026-01-01"] * (HOLIDAYS_MAX + 1)),
        ("overload_closings_max", 0),
        ("levels", [{"kind": "coins", "value": 1}]),
        ("levels", [{"kind": "money", "value": 0}]),
        ("levels", [{"kind": "money", "value": True}]),
        ("levels", [MONEY, MONEY]),
        ("levels", [17]),
        ("levels", [{"kind": ["money"], "value": 1}]),
        ("levels", [{**MONEY, "note": "mine"}]),
        ("quiet", "22:00-07:00\x00"),
        ("levels", [{"kind": "money", "value": each} for each in range(1, 18)]),
        ("quiet", "always"),
        ("channels", ["pigeon"]),
        ("channels", ["sms", "sms"]),
        ("channels", ["sms", 4]),
        ("tells_staff", None),
        ("recharge_least_minor", 0),
        ("debt_share_ppm", 1_000_001),
        ("recharge_fee_ppm", 500_001),
        ("monthly_fee_since", "2026-13"),
        ("monthly_fee_since", "2026-11-01"),
        ("monthly_fee_since", 202611),
        ("paid_twice", "refund"),
        ("friendly_hours", []),
    ],
)
def test_a_fault_is_refused_and_its_field_named(field: str, value: Json) -> None:
    with pytest.raises(PolicyFaulty) as refused:
        policy_of({field: value})

    assert refused.value.field == field
    assert field in str(refused.value)


def test_the_amount_may_come_from_another_document() -> None:
    assert policy_of({"emergency_minor": 500}, {"emergency_automatic": True}).emergency_automatic


def test_a_nearer_document_may_take_the_amount_away() -> None:
    site = {"emergency_minor": 500, "emergency_automatic": True}

    assert policy_of(site, {"emergency_minor": 0}).emergency_minor == 0


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(
    document=st.dictionaries(
        st.sampled_from(sorted(DEFAULT.__slots__)) | st.text(max_size=8), _JSON, max_size=4
    )
)
def test_any_document_is_a_policy_or_a_named_fault(document: dict[str, Json]) -> None:
    try:
        policy_of(document)
    except PolicyFaulty as fault:
        assert fault.field in document  # the field that was said, and no other


@pytest.mark.parametrize(("currency", "values"), [("CNY", (5_000, 2_000, 1_000)), ("JPY", (50, 20, 10))])
def test_the_usual_levels_are_in_the_currencys_major_unit(currency: str, values: tuple[int, ...]) -> None:
    assert tuple(level.value for level in levels_of(DEFAULT, currency=currency)) == values


def test_no_levels_are_none_and_not_the_usual_ones() -> None:
    assert levels_of(policy_of({"levels": []}), currency="CNY") == ()


def test_a_level_is_named_as_rows_name_it() -> None:
    assert Level(kind=LevelKind.MONEY, value=5_000).key == "money:5000"

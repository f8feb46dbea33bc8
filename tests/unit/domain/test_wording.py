"""What is told says what it must in each language, and refuses fields that nobody fills."""

from datetime import UTC, datetime, time, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from compuerta.domain import our_words, quiet, wording
from compuerta.domain.alarms import AlarmKind, Severity
from compuerta.domain.contact import Language
from compuerta.domain.policy import Slot
from compuerta.domain.supply import HoldKind, Reason
from compuerta.domain.wording import TemplateFaulty, Told

SHANGHAI = ZoneInfo("Asia/Shanghai")
MADRID = ZoneInfo("Europe/Madrid")
SUNDAY_NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)  # in Shanghai
HOUR = timedelta(hours=1)
ENGLISH, SPANISH, CHINESE = Language.ENGLISH, Language.SPANISH, Language.CHINESE


@pytest.mark.parametrize(("told", "language"), list(product(Told, Language)))
def test_our_words_are_there_in_each_language_and_use_their_fields_only(
    told: Told, language: Language
) -> None:
    subject, body = wording.ours(told, language)

    wording.check(told, subject=subject, body=body)
    filled = wording.filled(body, {name: f"<{name}>" for name in wording.FIELDS[told]})
    assert all(f"<{name}>" in filled for name in wording.FIELDS[told])


@pytest.mark.parametrize(
    ("subject", "body", "field"),
    [
        ("", "Pay {amonut}", "body"),
        ("{balance.minor}", "Pay", "subject"),
        ("", "Pay {", "body"),
        ("", "Pay }", "body"),
        ("", "Pay {{place}}", "body"),
        ("", "  ", "body"),
        ("", "x" * (wording.BODY_CHARS_MAX + 1), "body"),
        ("x" * (wording.SUBJECT_CHARS_MAX + 1), "Pay", "subject"),
        ("two\nlines", "Pay", "subject"),
        ("", "Until {until}", "body"),  # a field of another message
    ],
)
def test_words_with_a_field_that_nobody_fills_are_refused_by_name(
    subject: str, body: str, field: str
) -> None:
    with pytest.raises(TemplateFaulty) as refused:
        wording.check(Told.WARNING, subject=subject, body=body)

    assert refused.value.field == field


def test_what_stands_in_a_field_is_never_read_as_one() -> None:
    assert wording.filled("{place}!", {"place": "{pay_link}", "pay_link": "x"}) == "{pay_link}!"


@pytest.mark.parametrize(
    ("amount_minor", "currency", "language", "text"),
    [
        (1_999, "CNY", ENGLISH, "¥19.99"),
        (1_999, "EUR", SPANISH, "19,99 €"),
        (-1_999, "EUR", SPANISH, "-19,99 €"),
        (-5, "CNY", CHINESE, "-¥0.05"),
        (1_999, "KES", ENGLISH, "19.99 KES"),
        (1_999, "CLP", SPANISH, "1999 CLP"),
    ],
)
def test_amounts_are_written_as_a_reader_of_the_language_writes_them(
    amount_minor: int, currency: str, language: Language, text: str
) -> None:
    assert wording.amount(amount_minor, currency=currency, language=language) == text


@pytest.mark.parametrize(
    ("language", "near", "far", "exact"),
    [
        (ENGLISH, "about Thursday 21:00", "about 6 December", "Thursday 20:40"),
        (SPANISH, "hacia el jueves 21:00", "hacia el 6 de diciembre", "jueves 20:40"),
        (CHINESE, "星期四 21:00左右", "12月6日左右", "星期四 20:40"),
    ],
)
def test_instants_are_the_sites_and_foreseen_ones_are_rounded(
    language: Language, near: str, far: str, exact: str
) -> None:
    thursday = datetime(2026, 11, 26, 12, 40, tzinfo=UTC)  # 20:40 in Shanghai
    later = thursday + timedelta(days=10)

    def about(at: datetime | None) -> str:
        return wording.about(at, zone=SHANGHAI, now=SUNDAY_NOON, language=language)

    assert about(thursday) == near
    assert about(later) == far
    assert wording.instant(thursday, zone=SHANGHAI, now=SUNDAY_NOON, language=language) == exact
    assert about(None) not in ("", near)


@pytest.mark.parametrize("language", [SPANISH, CHINESE])
def test_every_reason_and_alarm_has_its_word(language: Language) -> None:
    offs = {Reason.OUT_OF_CREDIT, Reason.SAFETY_HOLD, Reason.OVERLOAD_LOCK, Reason.ADMINISTRATOR_HOLD}

    assert {reason.value for reason in offs | {Reason.VACANCY}} <= set(our_words.REASONS[language])
    assert {each.value for each in (*AlarmKind, *Severity)} <= set(our_words.ALARMS[language])
    assert HoldKind.VACANCY.value in our_words.REASONS[language]


def local(year: int, month: int, day: int, hour: int, minute: int) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=MADRID)


NIGHT = Slot(start=time(22), end=time(7))
NAP = Slot(start=time(14), end=time(16))


@pytest.mark.parametrize(
    ("slot", "clock", "told"),
    [
        (NIGHT, local(2026, 11, 22, 21, 59), local(2026, 11, 22, 21, 59)),
        (NIGHT, local(2026, 11, 22, 22, 0), local(2026, 11, 23, 7, 0)),
        (NIGHT, local(2026, 11, 23, 6, 59), local(2026, 11, 23, 7, 0)),
        (NIGHT, local(2026, 11, 23, 7, 0), local(2026, 11, 23, 7, 0)),
        (NAP, local(2026, 11, 22, 15, 0), local(2026, 11, 22, 16, 0)),
        (NAP, local(2026, 11, 22, 16, 0), local(2026, 11, 22, 16, 0)),
        (None, local(2026, 11, 22, 3, 0), local(2026, 11, 22, 3, 0)),
        # The night in which Madrid has 02:00 twice.
        (NIGHT, local(2026, 10, 24, 23, 0), local(2026, 10, 25, 7, 0)),
    ],
)
def test_what_can_wait_is_told_when_the_quiet_hours_are_over(
    slot: Slot | None, clock: datetime, told: datetime
) -> None:
    now = clock.astimezone(UTC)

    assert quiet.told_at(slot, zone=MADRID, now=now) == told

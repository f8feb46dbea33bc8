"""What a phone reads off a meter, and the one number in it."""

import pytest

from compuerta.domain.label import LabelUnread, meter_no_on

NUMBER = "558890213594"


@pytest.mark.parametrize(
    "label",
    [
        NUMBER,
        f" {NUMBER[:4]} {NUMBER[4:8]} {NUMBER[8:]}\n",
        f"https://maker.example/m?no={NUMBER}&v=2",
        f"SN:{NUMBER};IMEI:860123456789012",
        f"133000001{NUMBER}7",  # 22 digits, as utilities print them
    ],
)
def test_the_number_is_found_however_it_is_printed(label: str) -> None:
    assert meter_no_on(label) == NUMBER


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("", "no meter number"),
        ("860123456789012", "module"),
        ("5588902135", "no meter number"),
        (f"{NUMBER}/118890213594", "several"),
        ("٥٥٨٨٩٠٢١٣٥٩٤", "no meter number"),
        ("x" * 500 + NUMBER, "no meter number"),
    ],
)
def test_a_label_without_one_number_is_refused(label: str, reason: str) -> None:
    with pytest.raises(LabelUnread, match=reason):
        meter_no_on(label)

"""Labels: the meter number in what a phone has read off a meter, a QR code, a barcode or typed digits.

Makers print the number alone, in an address, or among other fields; utilities print 22 digits with the number
in them. Whatever is read is shown to whoever reads it, and the meter has to answer to it before it sells.
"""

import re

from compuerta.domain.errors import Refused

LABEL_CHARACTERS_MAX = 500
_NUMBER_DIGITS = 12
_MODULE_DIGITS = 15  # an IMEI
_ASSET_DIGITS = 22  # the last is a check digit, and the twelve before it are the number
_RUNS = re.compile(r"[0-9]+", re.ASCII)


class LabelUnread(Refused):
    """A label in which no meter number is found, or more than one."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}: write the twelve digits on the plate")
        self.reason = reason


def meter_no_on(label: str) -> str:
    """Return the meter number on a label; refuses what has none, or several, or is a module's."""
    runs: list[str] = _RUNS.findall("".join(label[:LABEL_CHARACTERS_MAX].split()))
    numbers = {each for each in runs if len(each) == _NUMBER_DIGITS}
    numbers |= {each[-_NUMBER_DIGITS - 1 : -1] for each in runs if len(each) == _ASSET_DIGITS}
    if len(numbers) > 1:
        raise LabelUnread("there are several numbers on it")
    for number in numbers:
        return number
    if any(len(each) == _MODULE_DIGITS for each in runs):
        raise LabelUnread("this is a module's number")
    raise LabelUnread("there is no meter number on it")

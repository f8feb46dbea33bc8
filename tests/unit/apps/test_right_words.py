"""Every right has a word on the screen that gives it."""

from compuerta.apps.console.templatetags.access import RIGHTS
from compuerta.domain.access import Right


def test_every_right_has_a_word() -> None:
    assert RIGHTS.keys() == {right.value for right in Right}

"""The three families of errors; every error of the house is one of them.

    CompuertaError
    ├── Refused       the world said no: tell the user what to do
    ├── Unreachable   try again later
    └── Broken        a bug, or a promise that does not hold: stop and page

The class of an error lives beside the function that raises it.
"""


class CompuertaError(Exception):
    """The root of all errors that this house raises on purpose."""


class Refused(CompuertaError):
    """The request cannot be met; the message says what to do instead."""


class Unreachable(CompuertaError):
    """The other side did not answer; the same request may succeed later."""


class Broken(CompuertaError):
    """An invariant does not hold; going on could cost somebody money or light."""

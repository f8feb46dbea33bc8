"""From JSON to typed values, with refusals that name the field."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from compuerta.domain.errors import Refused

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


class FieldMalformed(Refused):
    """A field that is missing, not known, or of the wrong kind."""


def whole(value: Json, name: str) -> int:
    """Return a whole number, or refuse."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise FieldMalformed(f"{name} must be a whole number")
    return value


def within(value: Json, name: str, *, most: int) -> int:
    """Return a whole number from 0 to `most`, or refuse."""
    number = whole(value, name)
    if not 0 <= number <= most:
        raise FieldMalformed(f"{name} must be 0 to {most}")
    return number


def truth(value: Json, name: str) -> bool:
    """Return true or false, or refuse."""
    if not isinstance(value, bool):
        raise FieldMalformed(f"{name} must be true or false")
    return value


def wholes(value: Json, name: str) -> tuple[int, ...]:
    """Return a list of whole numbers, or refuse."""
    if not isinstance(value, list):
        raise FieldMalformed(f"{name} must be a list")
    return tuple(whole(one, name) for one in value)


def mapping(value: Json, name: str) -> dict[str, Json]:
    """Return an object, or refuse."""
    if not isinstance(value, dict):
        raise FieldMalformed(f"{name} must be an object")
    return value


def one_of(value: Json, names: Iterable[str], *, name: str) -> str:
    """Return a value that is among `names`, or refuse."""
    known = list(names)
    if value not in known:
        raise FieldMalformed(f"{name} must be one of {', '.join(known)}")
    return str(value)


# Any, since which field has which type is checked here against the usual value, at run time.
def filled(usual: T, changes: Mapping[str, Any], *, what: str) -> T:
    """Return `usual` with fields changed; refuses names it has not, and plain values of another kind."""
    kinds = {one.name: type(getattr(usual, one.name)) for one in fields(usual)}
    for name, value in changes.items():
        if name not in kinds:
            raise FieldMalformed(f"{what} has no {name!r}; there are {', '.join(kinds)}")
        kind = kinds[name]
        fits = isinstance(value, int | float if kind is float else kind)
        if kind in (int, float, bool, str) and (not fits or isinstance(value, bool) is not (kind is bool)):
            raise FieldMalformed(f"{what}: {name} cannot be {value!r}")
    return replace(usual, **changes)

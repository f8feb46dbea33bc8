"""Who a device says it is when it registers (LwM2M 1.1, 6.2): its name, its patience, its sleep, its objects.

A queue-mode device (`b=UQ` in LwM2M 1.0, `Q` in 1.1) sleeps between its contacts.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from compuerta.domain.errors import Refused
from compuerta.wire.lwm2m.objects import Path, path_of

LIFETIME_S_USUAL: Final = 86_400  # LwM2M 1.1, 6.2.1
LIFETIME_S_MAX: Final = 30 * 86_400  # who says more is held to a month: what is silent longer is gone
NAME_MAX: Final = 64
OBJECTS_MAX: Final = 64  # links that are looked at; more are passed over
_NAME: Final = re.compile(r"[!-~]{1,64}")
_LINK: Final = re.compile(r"<(/[0-9]{1,5}(?:/[0-9]{1,5}){0,2})>")
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


class RegistrationMalformed(Refused):
    """A registration that lacks the device's name, or has a field that cannot be read."""

    def __init__(self, field: str) -> None:
        super().__init__(f"registration: {field} cannot be read")
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a device tells of itself."""

    name: str
    lifetime_s: int
    sleeps: bool
    objects: frozenset[Path]

    def has(self, object_id: str) -> bool:
        """Whether the device has an instance of an object."""
        return any(path[0] == object_id for path in self.objects)


def registration_of(queries: Iterable[str], payload: bytes) -> Registration:
    """Read a registration; refuses one without a name that can be printed."""
    fields = fields_of(queries)
    name = fields.get("ep", "")
    if not _NAME.fullmatch(name):
        raise RegistrationMalformed("ep")
    return Registration(
        name=name,
        lifetime_s=lifetime_of(fields) or LIFETIME_S_USUAL,
        sleeps="Q" in fields.get("b", "") or "Q" in fields,
        objects=objects_of(payload),
    )


def fields_of(queries: Iterable[str]) -> dict[str, str]:
    """Split `ep=..`, `lt=..` and the like; of a name that comes twice the first counts."""
    fields: dict[str, str] = {}
    for query in queries:
        name, _, value = query.partition("=")
        fields.setdefault(name, value)
    return fields


def lifetime_of(fields: dict[str, str]) -> int | None:
    """Return the seconds within which the device will be heard again; None where it does not say."""
    text = fields.get("lt")
    if text is None:
        return None
    if not _SECONDS.fullmatch(text) or int(text) == 0:
        raise RegistrationMalformed("lt")
    return min(int(text), LIFETIME_S_MAX)


def objects_of(payload: bytes) -> frozenset[Path]:
    """Read the device's list of objects (RFC 6690); links to anything else are passed over."""
    text = payload.decode("utf-8", errors="replace")
    found = [path_of(link) for link in _LINK.findall(text)]
    return frozenset(found[:OBJECTS_MAX])


def queries_of(registration: Registration) -> tuple[str, ...]:
    """Write what a device registers with."""
    binding = "UQ" if registration.sleeps else "U"
    return (f"ep={registration.name}", f"lt={registration.lifetime_s}", "lwm2m=1.0", f"b={binding}")


def links_to(objects: Iterable[Path]) -> bytes:
    """Write a device's list of objects."""
    return ",".join(f"</{'/'.join(path)}>" for path in sorted(objects)).encode()

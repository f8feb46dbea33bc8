"""Any payload of LwM2M as flat records of path and value, whatever form it came in."""

from decimal import Decimal
from typing import Final

from compuerta.domain.errors import Refused

RECORDS_MAX: Final = 256  # of one payload
Plain = int | str | bool | bytes  # that we write
Value = Plain | Decimal  # that devices write


class ProtocolError(Refused):
    """Bytes that no form of LwM2M allows here."""

    def __init__(self, reason: str, *, octets: bytes = b"") -> None:
        super().__init__(f"{reason} [{octets[:32].hex()}]" if octets else reason)
        self.reason = reason
        self.octets = octets

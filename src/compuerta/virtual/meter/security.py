"""The security module of a standard meter: identity, opening, recharge, status (03H).

The order of the checks is the order of public firmware. Each refusal leaves the meter as it was, except for
the count of wrong MACs.
"""

from random import Random
from typing import Final, Protocol, assert_never

from compuerta.drivers.mac import customer_payload, purchase_payload
from compuerta.virtual.meter.clock import DAY_MS
from compuerta.virtual.meter.core import MINUTE_MS, MeterCore
from compuerta.wire.dlt645 import (
    Answer,
    Authenticate,
    AuthenticateAnswer,
    EndIdentity,
    EndIdentityAnswer,
    OpenAccount,
    Recharge,
    RechargeAnswer,
    SecurityAnswer,
    SecurityRaw,
    SerrBit,
    SetIdentityValidity,
    StatusAnswer,
    StatusQuery,
    VendorRecharge,
    VendorRefund,
    diversification,
    security_error,
)
from compuerta.wire.dlt645.fields import bcd_to
from compuerta.wire.dlt645.security import DI_OPEN_ACCOUNT, DI_RECHARGE, DI_SET_VALIDITY, SecurityRequest

IDENTITY_MIN: Final = 5  # validity of an identity until the keeper of the keys sets another
MAC_FAILURES_PER_IDENTITY: Final = 3  # every third wrong MAC ends the identity
MAC_FAILURES_MAX: Final = 15  # then the module is suspended until the meter's day changes
KEY_INFO: Final = bytes(4)

Credit = OpenAccount | Recharge


class Esam(Protocol):
    """The meter's half of the keys."""

    def identity_holds(self, meter_no: str, *, rand1: bytes, cipher: bytes) -> bool:
        """Tell whether `cipher` was made by the keeper of this meter's key."""
        ...

    def mac_holds(self, meter_no: str, *, rand2: bytes, payload: bytes, mac: bytes) -> bool:
        """Tell whether `mac` belongs to `payload` and to the challenge `rand2`."""
        ...

    def mac(self, meter_no: str, *, rand2: bytes, payload: bytes) -> bytes:
        """Return the code over `payload`."""
        ...


class SecurityModule:
    """Will answer 03H by the rules of the standard layout, and vouch for sealed orders of other functions."""

    def __init__(self, core: MeterCore, *, esam: Esam, chance: Random) -> None:
        self._core = core
        self._esam = esam
        self._chance = chance
        self._rand2 = bytes(4)
        self._identity_min = IDENTITY_MIN
        self._mac_failures = 0
        self._mac_failures_day = 0

    def answer(self, request: SecurityRequest) -> Answer:
        """Obey or refuse one security request."""
        match request:
            case StatusQuery():
                return self._status()
            case Authenticate():
                return self._authenticate(request)
            case SetIdentityValidity():
                return self._set_validity(request)
            case EndIdentity():
                return self._end_identity()
            case OpenAccount() | Recharge():
                return self._credit(request)
            case VendorRecharge() | VendorRefund() | SecurityRaw():
                return security_error(SerrBit.OTHER)
            case _:
                assert_never(request)

    def refusal_of(self, *, payload: bytes, mac: bytes) -> SerrBit | None:
        """Say why a sealed order is refused; None = it is genuine, and made for the present identity."""
        if self._is_suspended():
            return SerrBit.SUSPENDED
        if not self._core.identity_is_valid:
            return SerrBit.IDENTITY_INVALID
        if self._esam.mac_holds(self._core.meter_no, rand2=self._rand2, payload=payload, mac=mac):
            self._mac_failures = 0
            return None
        self._count_wrong_mac()
        return SerrBit.SUSPENDED if self._is_suspended() else SerrBit.MAC_WRONG

    def _status(self) -> Answer:
        core = self._core
        if core.purse is None:
            return security_error(SerrBit.OTHER)
        remaining_minor = max(core.purse.balance_minor, 0)
        parts = (remaining_minor.to_bytes(4, "little"), core.purchase_no.to_bytes(4, "little"))
        mac1, mac2 = (self._esam.mac(core.meter_no, rand2=self._rand2, payload=part) for part in parts)
        return StatusAnswer(
            remaining_minor=remaining_minor,
            purchase_no=core.purchase_no,
            customer_no=core.customer_no or "0" * 12,
            key_info=KEY_INFO,
            macs=(mac1, mac2),
        )

    def _authenticate(self, request: Authenticate) -> Answer:
        core = self._core
        if self._is_suspended():
            return security_error(SerrBit.SUSPENDED)
        ours = request.diversification == diversification(core.meter_no)
        if not ours or not self._esam.identity_holds(
            core.meter_no, rand1=request.rand1, cipher=request.cipher1
        ):
            return security_error(SerrBit.IDENTITY_INVALID)
        self._rand2 = self._chance.randbytes(4)
        core.identity_until_ms = core.now_ms + self._identity_min * MINUTE_MS
        return AuthenticateAnswer(rand2=self._rand2, esam_no=diversification(core.meter_no))

    def _set_validity(self, request: SetIdentityValidity) -> Answer:
        refusal = self.refusal_of(payload=bcd_to(request.minutes, length=2), mac=request.mac)
        if refusal:
            return security_error(refusal)
        self._identity_min = request.minutes
        self._core.identity_until_ms = self._core.now_ms + request.minutes * MINUTE_MS
        return SecurityAnswer(di=DI_SET_VALIDITY)

    def _end_identity(self) -> Answer:
        core = self._core
        if not core.identity_is_valid:
            return security_error(SerrBit.IDENTITY_INVALID)
        core.identity_until_ms = core.now_ms
        return EndIdentityAnswer(
            customer_no=core.customer_no or "0" * 12,
            remaining_minor=max(core.balance_minor or 0, 0),
            purchase_no=core.purchase_no,
            key_info=KEY_INFO,
        )

    def _credit(self, request: Credit) -> Answer:
        refusal = self._credit_refusal(request)
        if refusal:
            return security_error(refusal)
        self._core.customer_no = request.customer_no
        self._core.recharge(amount_minor=request.amount_minor, purchase_no=request.purchase_no)
        return RechargeAnswer(di=DI_RECHARGE if isinstance(request, Recharge) else DI_OPEN_ACCOUNT)

    def _credit_refusal(self, request: Credit) -> SerrBit | None:
        core = self._core
        if core.purse is None:
            return SerrBit.OTHER
        if self._is_suspended():
            return SerrBit.SUSPENDED
        if not core.identity_is_valid:
            return SerrBit.IDENTITY_INVALID
        if core.customer_no is None and isinstance(request, Recharge):
            return SerrBit.OTHER
        if core.customer_no not in (None, request.customer_no):
            return SerrBit.CUSTOMER_NUMBER
        if request.purchase_no == core.purchase_no:
            return SerrBit.REPEATED_RECHARGE
        if request.purchase_no != core.purchase_no + 1:
            return SerrBit.PURCHASE_NUMBER
        if core.would_hoard(request.amount_minor):
            return SerrBit.HOARDING_LIMIT
        purchase = purchase_payload(amount_minor=request.amount_minor, purchase_no=request.purchase_no)
        customer = customer_payload(request.customer_no)
        return self.refusal_of(payload=purchase, mac=request.mac1) or self.refusal_of(
            payload=customer, mac=request.mac2
        )

    def _is_suspended(self) -> bool:
        day = self._core.civil_ms // DAY_MS
        if day != self._mac_failures_day:
            self._mac_failures, self._mac_failures_day = 0, day
        return self._mac_failures >= MAC_FAILURES_MAX

    def _count_wrong_mac(self) -> None:
        self._mac_failures += 1
        if self._mac_failures % MAC_FAILURES_PER_IDENTITY == 0:
            self._core.identity_until_ms = self._core.now_ms

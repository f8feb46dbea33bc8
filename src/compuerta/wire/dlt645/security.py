"""Function 03H: identity, opening, recharge and status, spoken to the meter's security module (ESAM).

Amounts and counts are unsigned binary here, while registers are BCD. The MACs cover amount and count (MAC1)
and the customer number (MAC2); who makes them is not this room's matter: they are four opaque bytes.
Two layouts of a recharge exist: the standard's (purchase number, customer number) and a vendor's (order
number, meter number), told apart by their lengths.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from compuerta.wire.dlt645 import fields
from compuerta.wire.dlt645.fields import ProtocolError
from compuerta.wire.dlt645.frame import Frame
from compuerta.wire.dlt645.requests import Function

DI_AUTHENTICATE: Final = 0x070000FF
DI_SET_VALIDITY: Final = 0x070001FF
DI_END_IDENTITY: Final = 0x070002FF
DI_OPEN_ACCOUNT: Final = 0x070101FF
DI_RECHARGE: Final = 0x070102FF
DI_VENDOR_REFUND: Final = 0x070108FF
DI_STATUS_QUERY: Final = 0x078102FF

_ANSWERED: Final = 0x80
_CREDITS: Final = (DI_OPEN_ACCOUNT, DI_RECHARGE, DI_VENDOR_REFUND)


class SerrBit(IntEnum):
    """Why the security module refused; bits of the two bytes SERR."""

    OTHER = 0x0001
    REPEATED_RECHARGE = 0x0002  # this purchase number is already in the meter
    MAC_WRONG = 0x0004
    IDENTITY_INVALID = 0x0008
    CUSTOMER_NUMBER = 0x0010
    PURCHASE_NUMBER = 0x0020  # not the meter's own plus one
    HOARDING_LIMIT = 0x0040
    ADDRESS = 0x0080
    SUSPENDED = 0x0100
    PASSWORD_SET = 0x8000


def diversification(meter_no: str) -> bytes:
    """Give the eight bytes that make a meter's keys its own: its number, then two zeros."""
    return fields.digits_to(meter_no, length=6) + bytes(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate:
    """This will open the identity window (5 minutes unless set otherwise)."""

    operator: bytes
    cipher1: bytes  # 8 bytes
    rand1: bytes  # 8 bytes
    diversification: bytes  # 8 bytes, see `diversification`

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        parts = (self.cipher1, self.rand1, self.diversification)
        body = b"".join(fields.exact(part, length=8) for part in parts)
        return _frame(address, DI_AUTHENTICATE, self.operator, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetIdentityValidity:
    """This will set for how many minutes an identity stays valid."""

    operator: bytes
    minutes: int
    mac: bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        body = fields.bcd_to(self.minutes, length=2) + fields.exact(self.mac, length=4)
        return _frame(address, DI_SET_VALIDITY, self.operator, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndIdentity:
    """This will close the identity window."""

    operator: bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        return _frame(address, DI_END_IDENTITY, self.operator, b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount:
    """This will open the meter's account, with its first amount and the customer it belongs to."""

    operator: bytes
    amount_minor: int
    purchase_no: int
    mac1: bytes
    customer_no: str
    mac2: bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        return _frame(address, DI_OPEN_ACCOUNT, self.operator, _credit_to(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recharge:
    """This will put an amount into the meter once: a repeat is refused with REPEATED_RECHARGE (L = 30)."""

    operator: bytes
    amount_minor: int
    purchase_no: int
    mac1: bytes
    customer_no: str
    mac2: bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        return _frame(address, DI_RECHARGE, self.operator, _credit_to(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorRecharge:
    """This will put an amount into a meter of the vendor's layout: an order of sixteen digits (L = 34)."""

    operator: bytes
    amount_minor: int
    order_no: str
    mac1: bytes
    meter_no: str
    mac2: bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        return _frame(address, DI_RECHARGE, self.operator, _vendor_credit_to(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorRefund:
    """This will take an amount out of a meter of the vendor's layout (L = 34)."""

    operator: bytes
    amount_minor: int
    order_no: str
    mac1: bytes
    meter_no: str
    mac2: bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        return _frame(address, DI_VENDOR_REFUND, self.operator, _vendor_credit_to(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusQuery:
    """This will ask for remaining money and purchase number; it needs no identity: the way to reconcile."""

    operator: bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        return _frame(address, DI_STATUS_QUERY, self.operator, b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityRaw:
    """This will carry any other security request: keys, read-back of the module, a vendor's block."""

    di: int
    operator: bytes
    body: bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame to this address."""
        return _frame(address, self.di, self.operator, self.body)


SecurityRequest = (
    Authenticate
    | SetIdentityValidity
    | EndIdentity
    | OpenAccount
    | Recharge
    | VendorRecharge
    | VendorRefund
    | StatusQuery
    | SecurityRaw
)


def parse_security(data: bytes) -> SecurityRequest:
    """Read the DATA of a 03H request; what is unknown comes back as `SecurityRaw`."""
    di = fields.di_from(data[:4])
    operator = fields.exact(data[4:8], length=4)
    body = data[8:]
    try:
        return _known_security(di, operator, body)
    except ProtocolError:
        return SecurityRaw(di=di, operator=operator, body=body)


def _known_security(di: int, operator: bytes, body: bytes) -> SecurityRequest:
    match di, len(body):
        case 0x070000FF, 24:
            cipher1, rand1, own = fields.take(body, 8, 8, 8)
            return Authenticate(operator=operator, cipher1=cipher1, rand1=rand1, diversification=own)
        case 0x070001FF, 6:
            return SetIdentityValidity(operator=operator, minutes=fields.bcd_from(body[:2]), mac=body[2:])
        case 0x070002FF, 0:
            return EndIdentity(operator=operator)
        case ((0x070101FF | 0x070102FF), 22):
            amount, count, mac1, customer, mac2 = fields.take(body, 4, 4, 4, 6, 4)
            return (OpenAccount if di == DI_OPEN_ACCOUNT else Recharge)(
                operator=operator,
                amount_minor=fields.binary_from(amount),
                purchase_no=fields.binary_from(count),
                mac1=mac1,
                customer_no=fields.digits_from(customer),
                mac2=mac2,
            )
        case ((0x070102FF | 0x070108FF), 26):
            amount, order, mac1, meter, mac2 = fields.take(body, 4, 8, 4, 6, 4)
            return (VendorRecharge if di == DI_RECHARGE else VendorRefund)(
                operator=operator,
                amount_minor=fields.binary_from(amount),
                order_no=fields.digits_from(order),
                mac1=mac1,
                meter_no=fields.digits_from(meter),
                mac2=mac2,
            )
        case 0x078102FF, 0:
            return StatusQuery(operator=operator)
        case _:
            return SecurityRaw(di=di, operator=operator, body=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticateAnswer:
    """The identity is valid; `rand2` is the initial vector of the MACs that follow."""

    rand2: bytes  # 4 bytes
    esam_no: bytes  # 8 bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        body = fields.exact(self.rand2, length=4) + fields.exact(self.esam_no, length=8)
        return _answer_frame(address, DI_AUTHENTICATE, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndIdentityAnswer:
    """The identity window is closed; the meter says how it stands."""

    customer_no: str
    remaining_minor: int
    purchase_no: int
    key_info: bytes  # 4 bytes

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        body = (
            fields.digits_to(self.customer_no, length=6)
            + fields.binary_to(self.remaining_minor, length=4)
            + fields.binary_to(self.purchase_no, length=4)
            + fields.exact(self.key_info, length=4)
        )
        return _answer_frame(address, DI_END_IDENTITY, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class RechargeAnswer:
    """Opening, recharge or refund was accepted; some firmware says more in `extra`."""

    di: int
    extra: bytes = b""

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        return _answer_frame(address, self.di, self.extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAnswer:
    """Remaining money and purchase number: what shows whether a recharge has arrived."""

    remaining_minor: int
    purchase_no: int
    customer_no: str
    key_info: bytes  # 4 bytes
    macs: tuple[bytes, bytes]  # of the money and of the count, 4 bytes each

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        mac1, mac2 = self.macs
        body = (
            fields.binary_to(self.remaining_minor, length=4)
            + fields.exact(mac1, length=4)
            + fields.binary_to(self.purchase_no, length=4)
            + fields.exact(mac2, length=4)
            + fields.digits_to(self.customer_no, length=6)
            + fields.exact(self.key_info, length=4)
        )
        return _answer_frame(address, DI_STATUS_QUERY, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityAnswer:
    """The good answer to any other security request."""

    di: int
    body: bytes = b""

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        return _answer_frame(address, self.di, self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityErrorAnswer:
    """The security module refused: two bytes by the standard, one byte by a vendor.

    The vendor's byte has no published bits. It is never read as REPEATED_RECHARGE: taking 02 for "was done
    already" would credit a customer on paper and leave the meter empty.
    """

    raw: bytes

    @property
    def serr(self) -> frozenset[SerrBit]:
        """Give the reasons; a vendor's single byte is OTHER."""
        if len(self.raw) != 2:
            return frozenset({SerrBit.OTHER})
        value = fields.binary_from(self.raw)
        return frozenset(bit for bit in SerrBit if value & bit)

    def to_frame(self, address: str) -> Frame:
        """Give the frame from this address."""
        if len(self.raw) not in (1, 2):
            raise ProtocolError("SERR has two bytes, or a vendor's one", octets=self.raw)
        return Frame(address=address, control=0xC0 | Function.SECURITY, data=self.raw)


def security_error(*reasons: SerrBit) -> SecurityErrorAnswer:
    """Give the standard's refusal, two bytes low first, for these reasons."""
    return SecurityErrorAnswer(raw=fields.binary_to(sum(set(reasons)), length=2))


SecurityGood = AuthenticateAnswer | EndIdentityAnswer | RechargeAnswer | StatusAnswer | SecurityAnswer


def parse_security_answer(data: bytes) -> SecurityGood:
    """Read the DATA of a good 83H answer; an unknown layout comes back as `SecurityAnswer`."""
    di = fields.di_from(data[:4])
    try:
        return _known_security_answer(di, data[4:])
    except ProtocolError:
        return SecurityAnswer(di=di, body=data[4:])


def _known_security_answer(di: int, body: bytes) -> SecurityGood:
    match di, len(body):
        case 0x070000FF, 12:
            return AuthenticateAnswer(rand2=body[:4], esam_no=body[4:])
        case 0x070002FF, 18:
            customer, money, count, key_info = fields.take(body, 6, 4, 4, 4)
            return EndIdentityAnswer(
                customer_no=fields.digits_from(customer),
                remaining_minor=fields.binary_from(money),
                purchase_no=fields.binary_from(count),
                key_info=key_info,
            )
        case 0x078102FF, 26:
            money, mac1, count, mac2, customer, key_info = fields.take(body, 4, 4, 4, 4, 6, 4)
            return StatusAnswer(
                remaining_minor=fields.binary_from(money),
                purchase_no=fields.binary_from(count),
                customer_no=fields.digits_from(customer),
                key_info=key_info,
                macs=(mac1, mac2),
            )
        case _:
            return RechargeAnswer(di=di, extra=body) if di in _CREDITS else SecurityAnswer(di=di, body=body)


def _credit_to(credit: OpenAccount | Recharge) -> bytes:
    return (
        fields.binary_to(credit.amount_minor, length=4)
        + fields.binary_to(credit.purchase_no, length=4)
        + fields.exact(credit.mac1, length=4)
        + fields.digits_to(credit.customer_no, length=6)
        + fields.exact(credit.mac2, length=4)
    )


def _vendor_credit_to(credit: VendorRecharge | VendorRefund) -> bytes:
    return (
        fields.binary_to(credit.amount_minor, length=4)
        + fields.digits_to(credit.order_no, length=8)
        + fields.exact(credit.mac1, length=4)
        + fields.digits_to(credit.meter_no, length=6)
        + fields.exact(credit.mac2, length=4)
    )


def _frame(address: str, di: int, operator: bytes, body: bytes) -> Frame:
    header = fields.di_to(di) + fields.exact(operator, length=4)
    return Frame(address=address, control=Function.SECURITY, data=header + body)


def _answer_frame(address: str, di: int, body: bytes) -> Frame:
    return Frame(address=address, control=_ANSWERED | Function.SECURITY, data=fields.di_to(di) + body)

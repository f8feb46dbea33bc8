"""Any bytes, in words: what a technician wants to know who looks at a captured line.

`compuerta decode dlt645` prints what `explain` gives.
"""

from dataclasses import dataclass
from typing import Final

from compuerta.wire.dlt645 import layouts, registers
from compuerta.wire.dlt645.answers import (
    ANSWER_BIT,
    Acknowledged,
    AddressAnswer,
    BaudAnswer,
    ErrBit,
    ErrorAnswer,
    FollowUpAnswer,
    MultiFunctionAnswer,
    PasswordAnswer,
    PlainAnswer,
    RawAnswer,
    RegisterAnswer,
    RelayAnswer,
    RelayErrorAnswer,
)
from compuerta.wire.dlt645.fields import ProtocolError
from compuerta.wire.dlt645.frame import BROADCAST, Deframer, Frame
from compuerta.wire.dlt645.messages import Answer, Request, parse_answer, parse_request
from compuerta.wire.dlt645.requests import (
    BroadcastTime,
    ChangeBaud,
    ChangePassword,
    ClearDemand,
    ClearEvents,
    ClearMeter,
    Freeze,
    Function,
    MultiFunction,
    PlainRequest,
    RawRequest,
    ReadAddress,
    ReadFollowUp,
    ReadRegister,
    RelayCommand,
    RelayControl,
    RelayControlEncrypted,
    WriteAddress,
    WriteRegister,
)
from compuerta.wire.dlt645.security import (
    DI_OPEN_ACCOUNT,
    DI_RECHARGE,
    Authenticate,
    AuthenticateAnswer,
    EndIdentity,
    EndIdentityAnswer,
    OpenAccount,
    Recharge,
    RechargeAnswer,
    SecurityAnswer,
    SecurityErrorAnswer,
    SecurityGood,
    SecurityRaw,
    SecurityRequest,
    SerrBit,
    SetIdentityValidity,
    StatusAnswer,
    StatusQuery,
    VendorRecharge,
    VendorRefund,
)

FUNCTION_WORDS: Final[dict[int, str]] = {
    Function.SECURITY: "security",
    Function.BROADCAST_TIME: "time broadcast",
    Function.READ: "read",
    Function.READ_FOLLOW_UP: "follow-up read",
    Function.READ_ADDRESS: "address read",
    Function.WRITE: "write",
    Function.WRITE_ADDRESS: "address write",
    Function.FREEZE: "freeze",
    Function.CHANGE_BAUD: "change of speed",
    Function.CHANGE_PASSWORD: "change of password",
    Function.CLEAR_DEMAND: "clearing of demand",
    Function.CLEAR_METER: "clearing of the meter",
    Function.CLEAR_EVENTS: "clearing of events",
    Function.RELAY: "relay control",
    Function.MULTI_FUNCTION: "multifunction terminal",
}

RELAY_WORDS: Final[dict[RelayCommand, str]] = {
    RelayCommand.TRIP: "relay trip",
    RelayCommand.PERMIT: "relay closing permitted",
    RelayCommand.CLOSE: "relay direct close",
    RelayCommand.TRIP_RESTORE_D: "relay trip 1D with automatic restore",
    RelayCommand.TRIP_RESTORE_E: "relay trip 1E with automatic restore",
    RelayCommand.ALARM: "alarm",
    RelayCommand.ALARM_OFF: "alarm off",
    RelayCommand.KEEP_POWER: "keep power",
    RelayCommand.RELEASE_POWER: "keep power released",
}

ERR_WORDS: Final[dict[ErrBit, str]] = {
    ErrBit.OTHER: "other error",
    ErrBit.NO_SUCH_REGISTER: "no such register",
    ErrBit.NOT_AUTHORISED: "password wrong or not authorised",
    ErrBit.BAUD_FIXED: "the speed cannot be changed",
    ErrBit.TOO_MANY_ZONES: "too many year zones",
    ErrBit.TOO_MANY_PERIODS: "too many day periods",
    ErrBit.TOO_MANY_TARIFFS: "too many tariffs",
    ErrBit.RESERVED: "reserved",
}

SERR_WORDS: Final[dict[SerrBit, str]] = {
    SerrBit.OTHER: "other error",
    SerrBit.REPEATED_RECHARGE: "repeated recharge",
    SerrBit.MAC_WRONG: "MAC wrong",
    SerrBit.IDENTITY_INVALID: "identity not valid",
    SerrBit.CUSTOMER_NUMBER: "customer number differs",
    SerrBit.PURCHASE_NUMBER: "purchase number is not the next one",
    SerrBit.HOARDING_LIMIT: "hoarding limit exceeded",
    SerrBit.ADDRESS: "address or memory error",
    SerrBit.SUSPENDED: "suspended after too many failures",
    SerrBit.PASSWORD_SET: "password set",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One frame: where to or from, its control byte, its DATA without 33H as hex, and a sentence."""

    address: str
    control: int
    data_hex: str
    meaning: str


def explain(data: bytes) -> list[Explained]:
    """Explain every frame in these bytes; what is no frame gives nothing, and nothing raises."""
    deframer = Deframer()
    frames = deframer.receive(data, now_ms=0) + deframer.flush()
    return [
        Explained(
            address=frame.address,
            control=frame.control,
            data_hex=frame.data.hex(),
            meaning=meaning_of(frame),
        )
        for frame in frames
    ]


def meaning_of(frame: Frame) -> str:
    """Say in a sentence what a frame asks, or answers."""
    if frame.control & ANSWER_BIT:
        return _answer_words(parse_answer(frame))
    words = _request_words(parse_request(frame))
    return f"{words}, broadcast" if frame.address == BROADCAST else words


def _request_words(request: Request) -> str:
    match request:
        case (
            Authenticate()
            | SetIdentityValidity()
            | EndIdentity()
            | OpenAccount()
            | Recharge()
            | VendorRecharge()
            | VendorRefund()
            | StatusQuery()
            | SecurityRaw()
        ):
            return _security_words(request)
        case ReadRegister() | ReadFollowUp() | ReadAddress() | WriteRegister() | WriteAddress():
            return _access_words(request)
        case _:
            return _command_words(request)


def _access_words(
    request: ReadRegister | ReadFollowUp | ReadAddress | WriteRegister | WriteAddress,
) -> str:
    match request:
        case ReadRegister(di=di, blocks=None):
            return f"read {_di_words(di)}"
        case ReadRegister(di=di, blocks=blocks, since=since):
            return f"read {blocks} blocks of {_di_words(di)}" + (f" since {since}" if since else "")
        case ReadFollowUp(di=di, sequence=sequence):
            return f"read follow-up {sequence} of {_di_words(di)}"
        case ReadAddress():
            return "read the address"
        case WriteRegister(di=di, value=value, password_level=level):
            return f"write {_register_words(di, value)}, level {level:02X}"
        case WriteAddress(meter_no=meter_no):
            return f"write the address {meter_no}"


def _command_words(request: PlainRequest) -> str:
    match request:
        case BroadcastTime(at=at):
            return f"set the clock to {at}"
        case Freeze():
            return f"freeze {_freeze_words(request)}"
        case ChangeBaud(baud=baud):
            return f"change the speed to {baud} baud"
        case ChangePassword(di=di, new_level=level):
            return f"change the password {di:08X} of level {level:02X}"
        case ClearDemand(password_level=level):
            return f"clear the highest demand, level {level:02X}"
        case ClearMeter(password_level=level):
            return f"clear the meter, level {level:02X}"
        case ClearEvents(di=di, password_level=level):
            return f"clear the events {di:08X}, level {level:02X}"
        case RelayControl(command=command, password_level=level, valid_until=until):
            restore = f" after {request.auto_restore * 5} min" if request.auto_restore else ""
            return f"{RELAY_WORDS[command]}{restore}, level {level:02X}, valid until {until}"
        case RelayControlEncrypted():
            return "relay control, encrypted, level 98"
        case MultiFunction(output=output):
            return f"multifunction terminal puts out the {_plain(output.name)}"
        case RawRequest(control=control, body=body):
            return f"{_function_words(control)} of unknown layout, {len(body)} bytes"
        case _:
            return _access_words(request)


def _security_words(request: SecurityRequest) -> str:
    match request:
        case Authenticate():
            return "identity authentication"
        case SetIdentityValidity(minutes=minutes):
            return f"set the validity of identity to {minutes} min"
        case EndIdentity():
            return "end the identity"
        case OpenAccount() | Recharge():
            verb = "open the account with" if isinstance(request, OpenAccount) else "recharge"
            return (
                f"{verb} {_money(request.amount_minor)}, purchase number {request.purchase_no}, "
                f"customer {request.customer_no}"
            )
        case VendorRecharge() | VendorRefund():
            verb = "recharge" if isinstance(request, VendorRecharge) else "refund"
            return (
                f"{verb} {_money(request.amount_minor)}, order {request.order_no}, meter {request.meter_no}"
            )
        case StatusQuery(operator=operator):
            return f"status query, operator {operator.hex()}"
        case SecurityRaw(di=di, body=body):
            return f"security {di:08X}, {len(body)} bytes"


def _answer_words(answer: Answer) -> str:
    match answer:
        case (
            AuthenticateAnswer() | EndIdentityAnswer() | RechargeAnswer() | StatusAnswer() | SecurityAnswer()
        ):
            return _security_answer_words(answer)
        case SecurityErrorAnswer(raw=raw):
            if len(raw) == 1:
                return f"refused: vendor's error byte {raw.hex()} (SERR {raw.hex()})"
            reasons = ", ".join(SERR_WORDS[bit] for bit in sorted(answer.serr)) or "no reason given"
            return f"refused: {reasons} (SERR {raw[::-1].hex().upper()})"
        case _:
            return _plain_answer_words(answer)


def _plain_answer_words(answer: PlainAnswer) -> str:
    match answer:
        case RegisterAnswer(di=di, payload=payload, more=more):
            return _register_words(di, payload, more=more)
        case FollowUpAnswer(di=di, payload=payload, sequence=sequence, more=more):
            rest = ", more follows" if more else ""
            return f"follow-up {sequence} of {_di_words(di)} = {payload.hex()}{rest}"
        case AddressAnswer(meter_no=meter_no):
            return f"address {meter_no}"
        case Acknowledged(function=function):
            return f"{FUNCTION_WORDS[function]} accepted"
        case BaudAnswer(baud=baud):
            return f"the speed becomes {baud} baud"
        case PasswordAnswer(level=level):
            return f"password of level {level:02X} changed"
        case RelayAnswer(extended=extended):
            done = ", ".join(_plain(bit.name) for bit in sorted(extended or ()))
            return f"relay control accepted: {done}" if done else "relay control accepted"
        case MultiFunctionAnswer(output=output):
            return f"multifunction terminal puts out the {_plain(output.name)}"
        case ErrorAnswer(function=function, err=err):
            reasons = ", ".join(ERR_WORDS[bit] for bit in sorted(err)) or "no reason given"
            return f"{_function_words(function)} refused: {reasons} (ERR {sum(err):02X})"
        case RelayErrorAnswer(err=relay_err):
            reasons = ", ".join(_plain(bit.name) for bit in sorted(relay_err)) or "no reason given"
            return f"relay control refused: {reasons} (ERR {sum(relay_err):04X})"
        case RawAnswer(control=control, body=body):
            return f"answer {control:02X} of unknown layout, {len(body)} bytes"


def _security_answer_words(answer: SecurityGood) -> str:
    match answer:
        case AuthenticateAnswer(rand2=rand2, esam_no=esam_no):
            return f"identity valid, random number {rand2.hex()}, security module {esam_no.hex()}"
        case EndIdentityAnswer() | StatusAnswer():
            lead = "identity ended, " if isinstance(answer, EndIdentityAnswer) else ""
            return (
                f"{lead}remaining money {_money(answer.remaining_minor)}, "
                f"purchase number {answer.purchase_no}, customer {answer.customer_no}"
            )
        case RechargeAnswer(di=di, extra=extra):
            what = {DI_OPEN_ACCOUNT: "opening of the account", DI_RECHARGE: "recharge"}.get(di, "refund")
            return f"{what} accepted" + (f", with {extra.hex()}" if extra else "")
        case SecurityAnswer(di=di, body=body):
            return f"security {di:08X} accepted" + (f", with {body.hex()}" if body else "")


def _function_words(function: int) -> str:
    return FUNCTION_WORDS.get(function, f"function {function:02X}")


def _di_words(di: int) -> str:
    register = registers.lookup(di)
    return f"{di:08X} {register.name}" if register else f"{di:08X}"


def _register_words(di: int, payload: bytes, *, more: bool = False) -> str:
    """The identifier, its name and its values; bytes that do not fit their layout are shown as they are."""
    rest = ", more follows" if more else ""
    register = registers.lookup(di)
    try:
        values = registers.decode_values(di, payload) if register else {}
    except ProtocolError:
        values = {}
    if not register or not values:
        return f"{_di_words(di)} = {payload.hex() or 'nothing'}{rest}"
    parts = {
        field.name: layouts.describe(field, values[field.name])
        for field in registers.fields_of(register, length=len(payload))
    }
    if len(parts) == 1:
        return f"{_di_words(di)} = {next(iter(parts.values()))}{rest}"
    listed = ", ".join(f"{_plain(name)} {text}" for name, text in parts.items())
    return f"{_di_words(di)}: {listed}{rest}"


def _freeze_words(freeze: Freeze) -> str:
    parts = (
        ("month", freeze.month),
        ("day", freeze.day),
        ("hour", freeze.hour),
        ("minute", freeze.minute),
    )
    known = [f"{name} {value}" for name, value in parts if value is not None]
    return "at " + ", ".join(known) if known else "now"


def _money(amount_minor: int) -> str:
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"


def _plain(name: str) -> str:
    """The name of a field or bit as words, without its unit: the value carries that."""
    for unit in _UNITS:
        name = name.removesuffix(unit)
    return name.lower().replace("_", " ")


_UNITS: Final = (
    *("_wh", "_minor", "_mv", "_ma", "_mw", "_mvar", "_mva", "_milli", "_e4"),
    *("_mmddhh", "_mmddnn", "_hhmmnn"),
)

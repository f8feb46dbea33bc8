"""What bytes from a wire of Acrel's meters contain, in words: for people who look at captures."""

from dataclasses import dataclass

from compuerta.wire.acrel.frame import Deframer, Frame, ProtocolError
from compuerta.wire.acrel.messages import (
    Carried,
    Command,
    Heartbeat,
    Login,
    Message,
    TimeAsked,
    Upload,
    parse,
    time_of,
)
from compuerta.wire.acrel.registers import told_in

_SERVER_BYTES = 6  # four of an address, two of a port
_NAMES = {each.value: each.name.lower().replace("_", " ") for each in Command}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One frame, told."""

    command: int
    name: str
    body_hex: str
    meaning: str
    carried_hex: tuple[str, ...] = ()  # what went through unchanged, mostly Modbus frames


def explain(octets: bytes) -> list[Explained]:
    """Return the frames in `octets`; what is no frame gives nothing."""
    deframer = Deframer()
    return [_explained(each) for each in deframer.receive(octets, now_ms=0) + deframer.flush()]


def _explained(frame: Frame) -> Explained:
    meaning, carried = _meaning(frame)
    return Explained(
        command=frame.command,
        name=_NAMES.get(frame.command, "not known"),
        body_hex=frame.body.hex(),
        meaning=meaning,
        carried_hex=tuple(each.hex() for each in carried),
    )


def _meaning(frame: Frame) -> tuple[str, list[bytes]]:
    from_platform = _from_platform(frame)
    if from_platform:
        return from_platform, []
    try:
        message = parse(frame)
    except ProtocolError as error:
        return f"not understood: {error}", []
    return _told(message)


def _from_platform(frame: Frame) -> str:
    """Tell what only a platform says: an empty answer, or the time."""
    if not frame.body and frame.command in (Command.LOGIN.value, Command.UPLOAD.value):
        return "answered"
    if frame.command == Command.TIME.value and len(frame.body) == 7:
        try:
            return f"the local time is {time_of(frame.body).isoformat(sep=' ')}"
        except ProtocolError as error:
            return f"not understood: {error}"
    if frame.command == Command.SERVER.value and len(frame.body) == _SERVER_BYTES:
        host = ".".join(str(octet) for octet in frame.body[:4])
        return f"the server is {host}:{int.from_bytes(frame.body[4:])}, if it is as one platform sends it"
    return ""


def _told(message: Message) -> tuple[str, list[bytes]]:
    match message:
        case Login():
            told = (
                f"serial {message.serial_no}, SIM {message.iccid}, signal {message.signal}, "
                f"firmware {' '.join(message.firmware)}, data every {message.upload_min} min"
            )
            return told, []
        case TimeAsked():
            return f"serial {message.serial_no} asks for the time", []
        case Heartbeat():
            return "lives", []
        case Upload():
            return _uploaded(message), [each.octets for each in message.sections]
        case Carried():
            return f"{len(message.octets)} bytes for or of the meter, {_whose(message.serial_no)}", [
                message.octets
            ]
        case _:
            return "body not known", []


def _uploaded(upload: Upload) -> str:
    places = ", ".join(f"{each.place} of {len(each.octets)} bytes" for each in upload.sections)
    told = told_in(upload)
    if told is None:
        return f"{_whose(upload.serial_no)}: {places}"
    return (
        f"{_whose(upload.serial_no)}: {told.energy_wh} Wh (rates {' '.join(map(str, told.rates_wh))}), "
        f"{told.voltage_mv} mV, remaining {told.balance_minor} bought {told.purchases} times, "
        f"at {told.at_civil.isoformat(sep=' ')}; {places}"
    )


def _whose(serial_no: str | None) -> str:
    return f"serial {serial_no}" if serial_no else "no serial told"

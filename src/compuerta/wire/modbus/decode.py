"""What some bytes say, for people: every reading that they have, since Modbus often has two.

An RTU frame does not tell who spoke: a read of two registers and the answer to another may be the same bytes.
"""

from dataclasses import dataclass

from compuerta.wire.modbus import mbap
from compuerta.wire.modbus.fields import ProtocolError
from compuerta.wire.modbus.messages import (
    Answer,
    Denial,
    ReadRegisters,
    Refusal,
    Registers,
    RegistersWritten,
    Request,
    WriteCoil,
    WriteRegister,
    WriteRegisters,
    parse_answer,
    parse_request,
)
from compuerta.wire.modbus.rtu import Frame, Side, decode, encode, length_of

PACKET_BYTES_MAX = 260  # MODBUS messaging on TCP/IP 1.0b, 4.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One reading of one frame; frames with several readings come once for each."""

    at: int  # the byte at which the frame begins
    framing: str  # "rtu" or "tcp"
    transaction_no: int | None  # of a frame on TCP
    unit_no: int
    function: int
    direction: str  # "request" or "answer"; "unknown" where the function is none of ours
    meaning: str
    values_hex: tuple[str, ...] = ()  # the registers that it carries


def explain(octets: bytes) -> list[Explained]:
    """Return every reading of every frame in `octets`; bytes that are no frame give nothing."""
    told: list[Explained] = []
    at = 0
    while at < len(octets):
        found = _packet_at(octets, at) or _frame_at(octets, at)
        if not found:
            at += 1
            continue
        readings, length = found
        told += readings
        at += length
    return told


def _packet_at(octets: bytes, at: int) -> tuple[list[Explained], int] | None:
    packets = (
        mbap.Deframer().receive(octets[at : at + PACKET_BYTES_MAX])
        if octets[at + 2 : at + 4] == b"\0\0"
        else []
    )
    for packet in packets[:1]:
        size = len(mbap.encode(packet))
        if mbap.encode(packet) == octets[at : at + size]:
            readings = _readings(packet.frame, at=at, transaction_no=packet.transaction_no)
            if readings[0].direction != "unknown":
                return readings, size
    return None


def _frame_at(octets: bytes, at: int) -> tuple[list[Explained], int] | None:
    for side in Side:
        length = length_of(octets[at : at + 7], side=side)
        if length and at + length <= len(octets):
            try:
                frame = decode(octets[at : at + length])
            except ProtocolError:
                continue
            return _readings(frame, at=at, transaction_no=None), len(encode(frame))
    return None


def _readings(frame: Frame, *, at: int, transaction_no: int | None) -> list[Explained]:
    found: list[tuple[str, Request | Answer]] = []
    for direction, parse in (("request", parse_request), ("answer", parse_answer)):
        try:
            found.append((direction, parse(frame.pdu)))
        except ProtocolError:
            continue
    told = [(direction, _meaning(message), _values(message)) for direction, message in found]
    return [
        Explained(
            at=at,
            framing="rtu" if transaction_no is None else "tcp",
            transaction_no=transaction_no,
            unit_no=frame.unit_no,
            function=frame.pdu[0],
            direction=direction,
            meaning=meaning,
            values_hex=values_hex,
        )
        for direction, meaning, values_hex in told or [("unknown", "no message of ours", ())]
    ]


def _meaning(message: Request | Answer) -> str:
    match message:
        case ReadRegisters():
            last = message.start + message.quantity - 1
            return (
                f"read {message.quantity} {message.bank.value} registers, {message.start:04X} to {last:04X}"
            )
        case Registers():
            return f"{len(message.octets) // 2} {message.bank.value} registers"
        case WriteCoil():
            return f"coil {message.at:04X} {'on' if message.on else 'off'}"
        case WriteRegister():
            return f"register {message.at:04X} = {message.value:04X}"
        case WriteRegisters():
            return f"write {len(message.values)} registers from {message.start:04X} on"
        case RegistersWritten():
            return f"{message.count} registers from {message.start:04X} on are written"
        case Refusal():
            known = {denial.value: denial.name.lower() for denial in Denial}
            return f"refused: {known.get(message.code, f'code {message.code:02X}')}"


def _values(message: Request | Answer) -> tuple[str, ...]:
    match message:
        case Registers():
            digits = message.octets.hex().upper()
            return tuple(digits[at : at + 4] for at in range(0, len(digits), 4))
        case WriteRegisters():
            return tuple(f"{value:04X}" for value in message.values)
        case _:
            return ()

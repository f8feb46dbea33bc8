"""The dress of Modbus on TCP: a header with a transaction number instead of a CRC.

MODBUS messaging on TCP/IP 1.0b, 3.1.3. The rest of the house speaks RTU: a `Dress` turns its frames into this
and back, and drops answers to anything but the last question, which RTU itself cannot tell.
"""

from dataclasses import dataclass
from typing import Final

from compuerta.wire.modbus.fields import ProtocolError
from compuerta.wire.modbus.rtu import Frame, decode
from compuerta.wire.modbus.rtu import encode as encode_rtu

_HEAD_BYTES: Final = 6
_LENGTH_MIN: Final = 2
_LENGTH_MAX: Final = 254
_TRANSACTIONS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Packet:
    """A frame, and the number by which its answer is known."""

    transaction_no: int
    frame: Frame


def encode(packet: Packet) -> bytes:
    """Return the bytes; refuses a PDU that is too long."""
    octets = bytes((packet.frame.unit_no,)) + packet.frame.pdu
    if not _LENGTH_MIN <= len(octets) <= _LENGTH_MAX:
        raise ProtocolError(f"{len(octets)} bytes are no packet")
    return packet.transaction_no.to_bytes(2) + bytes(2) + len(octets).to_bytes(2) + octets


class Deframer:
    """This will find packets in a stream; a stream that is out of step is looked through byte by byte."""

    def __init__(self) -> None:
        self._buffer = b""

    def receive(self, data: bytes) -> list[Packet]:
        """Take bytes and give the packets that are whole now."""
        packets = []
        octets, at = self._buffer + data, 0
        while len(octets) - at >= _HEAD_BYTES:
            length = int.from_bytes(octets[at + 4 : at + 6])
            if octets[at + 2 : at + 4] != b"\0\0" or not _LENGTH_MIN <= length <= _LENGTH_MAX:
                at += 1
                continue
            end = at + _HEAD_BYTES + length
            if len(octets) < end:
                break
            frame = Frame(octets[at + 6], octets[at + 7 : end])
            packets.append(Packet(int.from_bytes(octets[at : at + 2]), frame))
            at = end
        self._buffer = octets[at:]
        return packets


class Dress:
    """This will let one who speaks RTU ask by TCP: what goes out is one whole frame at a time."""

    def __init__(self) -> None:
        self._asked_no = 0
        self._deframer = Deframer()

    def outward(self, octets: bytes) -> bytes:
        """Return a question in its new dress; what is no frame has none, and is not sent."""
        try:
            frame = decode(octets)
        except ProtocolError:
            return b""
        self._asked_no = (self._asked_no + 1) % _TRANSACTIONS
        return encode(Packet(self._asked_no, frame))

    def inward(self, octets: bytes) -> bytes:
        """Return answers to the last question as RTU; late ones to earlier questions are dropped."""
        return b"".join(
            encode_rtu(packet.frame)
            for packet in self._deframer.receive(octets)
            if packet.transaction_no == self._asked_no
        )

"""MQTT 5 packets: from bytes to values and back, for a client and for a broker alike.

Quality of service is 0 or 1: what meters say may come twice, and is known by its own marks. A stream cannot
be found again after a damaged packet, so whoever meets `ProtocolError` ends the connection (MQTT 5.0 4.13).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from compuerta.wire.mqtt.fields import (
    NO_PROPERTIES,
    Properties,
    Property,
    ProtocolError,
    Reader,
    binary,
    properties,
    text,
    variable,
)

VERSION: Final = 5
PACKET_BYTES_MAX: Final = 65_536  # a hundred readings are some 10 KB; more is no meter of ours
_PROTOCOL: Final = "MQTT"
_QOS1: Final = 0x02
_ACKED: Final = b"\x40\x02"  # the fixed head of a short PUBACK


class Kind(IntEnum):
    """The packets (MQTT 5.0 2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


class Reason(IntEnum):
    """The reason codes that we say or obey (MQTT 5.0 2.4)."""

    SUCCESS = 0x00
    GRANTED_QOS1 = 0x01
    NOBODY_SUBSCRIBED = 0x10
    MALFORMED = 0x81
    VERSION_UNSUPPORTED = 0x84
    BAD_USER = 0x86
    NOT_AUTHORIZED = 0x87
    KEEP_ALIVE_TIMEOUT = 0x8D
    TAKEN_OVER = 0x8E
    TOPIC_INVALID = 0x90
    RECEIVE_MAX_EXCEEDED = 0x93
    QUOTA = 0x97


FAILED_FROM: Final = 0x80  # reason codes from here on say no


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """One message; `packet_id` where `qos` is 1, `expiry_s` = what is left of its life."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    retain: bool = False
    expiry_s: int | None = None
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """Who comes: name, user and word; what is to be said of it when it is gone without a word."""

    client_id: str
    user: str = ""
    password: bytes = b""
    keep_alive_s: int = 60
    clean_start: bool = True
    session_expiry_s: int = 0
    receive_max: int = 65_535
    will: Publish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnAck:
    """Whether one was let in; `receive_max` is how many unacknowledged messages the broker takes at once."""

    reason: int
    session_present: bool = False
    receive_max: int = 65_535
    keep_alive_s: int | None = None  # the broker's own wish


@dataclass(frozen=True, slots=True, kw_only=True)
class PubAck:
    """That a message has arrived, or why it was not taken."""

    packet_id: int
    reason: int = Reason.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """What somebody wants to hear: filters, each with the best service that it takes."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubAck:
    """What it was granted, filter by filter."""

    packet_id: int
    reasons: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """That the client lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """That the broker lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect:
    """That, and why, somebody goes."""

    reason: int = Reason.SUCCESS


Packet = Connect | ConnAck | Publish | PubAck | Subscribe | SubAck | Ping | Pong | Disconnect


class Stream:
    """This will find the packets in bytes that come in any pieces; it holds less than one packet."""

    def __init__(self, packet_bytes_max: int = PACKET_BYTES_MAX) -> None:
        self._packet_bytes_max = packet_bytes_max
        self._buffer = b""

    def receive(self, data: bytes) -> list[Packet]:
        """Take what came, and give the packets that are complete; raises `ProtocolError`."""
        buffer = self._buffer + data
        size = len(buffer)
        packets = []
        at = 0
        while size - at >= 2:
            length = buffer[at + 1]
            body = at + 2
            if length > 0x7F:
                found = _long_length(buffer, at + 1)
                if found is None:
                    break
                length, body = found
            if length > self._packet_bytes_max:
                raise ProtocolError(f"a packet of {length} bytes; {self._packet_bytes_max} are taken")
            if size - body < length:
                break
            packets.append(decode(buffer[at], buffer[body : body + length]))
            at = body + length
        self._buffer = buffer[at:]
        return packets


def _long_length(buffer: bytes, at: int) -> tuple[int, int] | None:
    """Return a length of several bytes and where it ends, or None while it has not come whole."""
    head = buffer[at : at + 4]
    for place, octet in enumerate(head):
        if not octet & 0x80:
            return sum((each & 0x7F) << 7 * n for n, each in enumerate(head[: place + 1])), at + place + 1
    if len(head) == 4:
        raise ProtocolError("a length of more than four bytes", octets=head)
    return None


def decode(first: int, body: bytes) -> Packet:
    """Return the packet of a first byte and what follows its length; raises `ProtocolError`."""
    if first >> 4 == Kind.PUBLISH:
        return _publish_from(first, body)
    decoder = _DECODERS.get(first)
    if decoder is None:
        raise ProtocolError(f"no packet begins with {first:02x}")
    return decoder(Reader(body))


def _publish_from(first: int, body: bytes) -> Publish:
    reader = Reader(body)
    topic = reader.text()
    if not topic or "+" in topic or "#" in topic:
        raise ProtocolError("a message needs a topic without wildcards")
    qos = first >> 1 & 3
    if qos > 1:
        raise ProtocolError(f"quality of service {qos} is not spoken here")
    packet_id = _packet_id(reader) if qos else 0
    found = reader.properties()
    expiry_s = found.get(Property.MESSAGE_EXPIRY_S)
    return Publish(
        topic=topic,
        payload=reader.rest(),
        qos=qos,
        packet_id=packet_id,
        retain=bool(first & 1),
        expiry_s=None if expiry_s is None else int(expiry_s),
        content_type=str(found.get(Property.CONTENT_TYPE, "")),
    )


def _packet_id(reader: Reader) -> int:
    packet_id = reader.number(2)
    if not packet_id:
        raise ProtocolError("a packet's number is not 0")
    return packet_id


def _connect_from(reader: Reader) -> Connect:
    name, version = reader.text(), reader.number(1)
    if name != _PROTOCOL or version != VERSION:
        raise VersionUnsupported(version)
    flags, keep_alive_s = reader.number(1), reader.number(2)
    if flags & 1 or flags & 0x18 > 0x08:
        raise ProtocolError(f"flags {flags:02x} of a connection")
    found = reader.properties()
    client_id = reader.text()
    will = None
    if flags & 4:
        reader.properties()
        will = Publish(topic=reader.text(), payload=reader.binary(), qos=flags >> 3 & 3)
    return Connect(
        client_id=client_id,
        will=will,
        user=reader.text() if flags & 0x80 else "",
        password=reader.binary() if flags & 0x40 else b"",
        keep_alive_s=keep_alive_s,
        clean_start=bool(flags & 2),
        session_expiry_s=int(found.get(Property.SESSION_EXPIRY_S, 0)),
        receive_max=int(found.get(Property.RECEIVE_MAX, 65_535)),
    )


class VersionUnsupported(ProtocolError):
    """Somebody who speaks another MQTT than 5."""

    def __init__(self, version: int) -> None:
        super().__init__(f"MQTT of level {version}; level {VERSION} is spoken here")


def _connack_from(reader: Reader) -> ConnAck:
    flags, reason = reader.number(1), reader.number(1)
    found = reader.properties()
    keep_alive_s = found.get(Property.SERVER_KEEP_ALIVE_S)
    return ConnAck(
        reason=reason,
        session_present=bool(flags & 1),
        receive_max=int(found.get(Property.RECEIVE_MAX, 65_535)),
        keep_alive_s=None if keep_alive_s is None else int(keep_alive_s),
    )


def _puback_from(reader: Reader) -> PubAck:
    packet_id = _packet_id(reader)
    return PubAck(packet_id=packet_id, reason=Reason.SUCCESS if reader.is_empty else reader.number(1))


def _subscribe_from(reader: Reader) -> Subscribe:
    packet_id = _packet_id(reader)
    reader.properties()
    filters = []
    while not reader.is_empty:
        filters.append((reader.text(), reader.number(1) & 3))
    if not filters:
        raise ProtocolError("a subscription to nothing")
    return Subscribe(packet_id=packet_id, filters=tuple(filters))


def _suback_from(reader: Reader) -> SubAck:
    packet_id = _packet_id(reader)
    reader.properties()
    return SubAck(packet_id=packet_id, reasons=tuple(reader.rest()))


def _disconnect_from(reader: Reader) -> Disconnect:
    return Disconnect(reason=Reason.SUCCESS if reader.is_empty else reader.number(1))


def _first(kind: Kind, flags: int = 0) -> int:
    return kind << 4 | flags


_DECODERS: Final[Mapping[int, Callable[[Reader], Packet]]] = MappingProxyType(
    {
        _first(Kind.CONNECT): _connect_from,
        _first(Kind.CONNACK): _connack_from,
        _first(Kind.PUBACK): _puback_from,
        _first(Kind.SUBSCRIBE, 2): _subscribe_from,
        _first(Kind.SUBACK): _suback_from,
        _first(Kind.PINGREQ): lambda _: Ping(),
        _first(Kind.PINGRESP): lambda _: Pong(),
        _first(Kind.DISCONNECT): _disconnect_from,
    }
)


def encode(packet: Packet) -> bytes:
    """Return the bytes of a packet; raises `ProtocolError` where a value does not fit."""
    match packet:
        case Publish():
            return _publish_to(packet)
        case PubAck(packet_id=packet_id, reason=reason):
            if reason == Reason.SUCCESS:
                return _ACKED + packet_id.to_bytes(2, "big")
            return _framed(Kind.PUBACK, packet_id.to_bytes(2, "big") + bytes((reason,)))
        case Connect():
            return _connect_to(packet)
        case ConnAck():
            return _connack_to(packet)
        case Subscribe(packet_id=packet_id, filters=filters):
            wishes = b"".join(text(name) + bytes((qos,)) for name, qos in filters)
            return _framed(Kind.SUBSCRIBE, packet_id.to_bytes(2, "big") + b"\0" + wishes, flags=2)
        case SubAck(packet_id=packet_id, reasons=reasons):
            return _framed(Kind.SUBACK, packet_id.to_bytes(2, "big") + b"\0" + bytes(reasons))
        case Ping():
            return _framed(Kind.PINGREQ, b"")
        case Pong():
            return _framed(Kind.PINGRESP, b"")
        case Disconnect(reason=reason):
            return _framed(Kind.DISCONNECT, bytes((reason, 0)) if reason else b"")


def _framed(kind: Kind, body: bytes, *, flags: int = 0) -> bytes:
    return bytes((_first(kind, flags),)) + variable(len(body)) + body


def _publish_to(packet: Publish) -> bytes:
    said: dict[int, int | str] = {}
    if packet.expiry_s is not None:
        said[Property.MESSAGE_EXPIRY_S] = packet.expiry_s
    if packet.content_type:
        said[Property.CONTENT_TYPE] = packet.content_type
    packet_id = packet.packet_id.to_bytes(2, "big") if packet.qos else b""
    body = text(packet.topic) + packet_id + properties(said or NO_PROPERTIES) + packet.payload
    return _framed(Kind.PUBLISH, body, flags=packet.qos * _QOS1 | packet.retain)


def _connect_to(packet: Connect) -> bytes:
    will = packet.will
    flags = 2 * packet.clean_start | 0xC0 * bool(packet.user)
    said: Properties = {
        Property.SESSION_EXPIRY_S: packet.session_expiry_s,
        Property.RECEIVE_MAX: packet.receive_max,
    }
    body = text(packet.client_id)
    if will is not None:
        flags |= 4 | will.qos << 3
        body += b"\0" + text(will.topic) + binary(will.payload)
    if packet.user:
        body += text(packet.user) + binary(packet.password)
    head = text(_PROTOCOL) + bytes((VERSION, flags)) + packet.keep_alive_s.to_bytes(2, "big")
    return _framed(Kind.CONNECT, head + properties(said) + body)


def _connack_to(packet: ConnAck) -> bytes:
    said: dict[int, int | str] = {Property.RECEIVE_MAX: packet.receive_max, Property.RETAIN_AVAILABLE: 0}
    if packet.keep_alive_s is not None:
        said[Property.SERVER_KEEP_ALIVE_S] = packet.keep_alive_s
    return _framed(Kind.CONNACK, bytes((packet.session_present, packet.reason)) + properties(said))

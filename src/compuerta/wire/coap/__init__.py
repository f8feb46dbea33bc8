"""CoAP without the network: messages, options, and the two ends of a conversation (RFC 7252, 7641, 7959)."""

from compuerta.wire.coap.message import Code, Kind, Message, ProtocolError, code_name, decode, encode
from compuerta.wire.coap.session import (
    Answered,
    Asked,
    CoapSession,
    Event,
    Request,
    Strayed,
    Timing,
    Unanswered,
)

__all__ = [
    "Answered",
    "Asked",
    "CoapSession",
    "Code",
    "Event",
    "Kind",
    "Message",
    "ProtocolError",
    "Request",
    "Strayed",
    "Timing",
    "Unanswered",
    "code_name",
    "decode",
    "encode",
]

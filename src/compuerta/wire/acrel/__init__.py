"""Acrel's 4G meters without the line: frames with a CRC, what they say, and their JSON form by MQTT."""

from compuerta.wire.acrel.decode import Explained, explain
from compuerta.wire.acrel.frame import DAMAGED_MAX, Deframer, Frame, ProtocolError, encode
from compuerta.wire.acrel.messages import (
    LOGIN_FRAME_BYTES,
    Carried,
    Command,
    Heartbeat,
    Login,
    Message,
    Section,
    TimeAsked,
    Unread,
    Upload,
    answer,
    carry,
    parse,
    time_body,
    time_of,
)
from compuerta.wire.acrel.registers import Told, told_in

__all__ = [
    "DAMAGED_MAX",
    "LOGIN_FRAME_BYTES",
    "Carried",
    "Command",
    "Deframer",
    "Explained",
    "Frame",
    "Heartbeat",
    "Login",
    "Message",
    "ProtocolError",
    "Section",
    "TimeAsked",
    "Told",
    "Unread",
    "Upload",
    "answer",
    "carry",
    "encode",
    "explain",
    "parse",
    "time_body",
    "time_of",
    "told_in",
]

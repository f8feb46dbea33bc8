"""From frames to meanings and back, both directions.

`parse(frame).to_frame(frame.address) == frame` for every frame of the right direction: where a typed reading
would lose something (unknown layout, reserved bit, impossible date), the frame comes back raw instead.
"""

from compuerta.wire.dlt645 import answers, requests, security
from compuerta.wire.dlt645.answers import (
    ANSWER_BIT,
    FUNCTION_BITS,
    MORE_BIT,
    REFUSED_BIT,
    PlainAnswer,
    RawAnswer,
)
from compuerta.wire.dlt645.fields import ProtocolError
from compuerta.wire.dlt645.frame import Frame
from compuerta.wire.dlt645.requests import Function, PlainRequest, RawRequest
from compuerta.wire.dlt645.security import SecurityErrorAnswer, SecurityGood, SecurityRequest

Request = PlainRequest | SecurityRequest
Answer = PlainAnswer | SecurityGood | SecurityErrorAnswer


def parse_request(frame: Frame) -> Request:
    """Read what a master asks; an answer's frame is refused (`ProtocolError`)."""
    if frame.control & ANSWER_BIT:
        raise ProtocolError(f"control {frame.control:02X} is an answer, not a request")
    raw = RawRequest(control=frame.control, body=frame.data)
    try:
        request: Request
        if frame.control == Function.SECURITY:
            request = security.parse_security(frame.data)
        else:
            request = requests.parse_plain(frame.control, frame.data)
        return request if request.to_frame(frame.address) == frame else raw
    except ProtocolError:
        return raw


def parse_answer(frame: Frame) -> Answer:
    """Read what a meter answers; a request's frame is refused (`ProtocolError`)."""
    if not frame.control & ANSWER_BIT:
        raise ProtocolError(f"control {frame.control:02X} is a request, not an answer")
    raw = RawAnswer(control=frame.control, body=frame.data)
    try:
        answer = _known_answer(frame)
        return answer if answer.to_frame(frame.address) == frame else raw
    except ProtocolError:
        return raw


def _known_answer(frame: Frame) -> Answer:
    function = frame.control & FUNCTION_BITS
    if frame.control & REFUSED_BIT:
        if function == Function.SECURITY:
            return SecurityErrorAnswer(raw=frame.data)
        return answers.parse_refusal(function, frame.data)
    if function == Function.SECURITY:
        return security.parse_security_answer(frame.data)
    return answers.parse_good(function, frame.data, more=bool(frame.control & MORE_BIT))

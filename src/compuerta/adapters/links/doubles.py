"""Two devices with one address behind one session: both answer what only one was asked.

Who asks for one register and hears it twice, with different values, has two meters of one address on the
line, and half of what is read belongs to somebody else. An answer that came twice alike is a gateway that
doubles, and a late answer was asked for: neither is told.
Pure: bytes in, addresses out.
"""

from typing import Final

from compuerta.adapters.links.registration import rtu_bytes
from compuerta.wire import dlt645

HEARD_BYTES_MAX: Final = 1_024  # of one question's answers; whoever says more is dealt with elsewhere
LOOKS_MAX: Final = 16  # at one question's answers: whoever says them byte by byte costs no more than others
_ANSWER_BYTES_MIN: Final = 5  # of the shortest answer there is, a Modbus exception
_DI_BYTES: Final = 4
_WAKE: Final = b"\xfe"


class Doubles:
    """This will tell which address answered oftener than it was asked, and not the same."""

    __slots__ = ("_asked", "_heard", "_late", "_looks", "_question")  # ten thousand sessions have one each

    def __init__(self) -> None:
        self._question = b""
        self._asked = 0  # how often
        # Answers to the question before that may still come: Modbus does not tell what they answer.
        self._late = 0
        self._heard = b""
        self._looks = 0

    def ask(self, data: bytes) -> None:
        """Note what was written to the line; the same once more is one more question."""
        if data == self._question:
            self._asked += 1
        else:
            self._late = self._asked - bool(self._heard)
            self._question, self._asked, self._heard, self._looks = data, 1, b"", 0

    def hear(self, data: bytes) -> str | None:
        """Return the address that two devices share, as far as is known now."""
        self._heard = (self._heard + data).lstrip(_WAKE)[-HEARD_BYTES_MAX:]
        if len(self._heard) < 2 * _ANSWER_BYTES_MIN or len(self._heard) <= _first_bytes(self._heard):
            return None  # one answer, or less: nearly always
        self._looks += 1
        if self._looks > LOOKS_MAX:
            return None
        answers: dict[str, set[bytes]] = {}
        count: dict[str, int] = {}
        for address, said in _answers(self._heard, self._question):
            answers.setdefault(address, set()).add(said)
            count[address] = count.get(address, 0) + 1
        for address, different in answers.items():
            if count[address] > self._asked + self._late and len(different) > 1:
                self._heard = b""
                return address
        return None


def _first_bytes(heard: bytes) -> int:
    """Return the length of a DL/T 645 or Modbus frame at the beginning; 0 = no frame begins there."""
    if heard[0] == 0x68 and len(heard) > 9:
        return heard[9] + 12
    return rtu_bytes(heard) or 0


def _answers(heard: bytes, question: bytes) -> list[tuple[str, bytes]]:
    """Return the answers to `question` with who gave them; another question's are left out."""
    asked = dlt645.Deframer().receive(question, now_ms=0)
    if asked:
        register = asked[0].data[:_DI_BYTES]
        return [
            (frame.address, frame.data)
            for frame in dlt645.Deframer().receive(heard, now_ms=0)
            if frame.control & dlt645.ANSWER_BIT and frame.data[:_DI_BYTES] == register and register
        ]
    answers: list[tuple[str, bytes]] = []
    while heard and (size := rtu_bytes(heard)):
        if heard[:2] == question[:2]:
            answers.append((f"modbus:{heard[0]}", heard[:size]))
        heard = heard[size:]
    return answers

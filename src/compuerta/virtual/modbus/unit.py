"""A virtual meter's Modbus end: bytes in, answers and exceptions out."""

from compuerta.virtual.meter.core import MeterCore
from compuerta.virtual.modbus.images import IMAGES
from compuerta.wire.modbus import (
    Answer,
    Denial,
    MeterSession,
    ReadRegisters,
    Refusal,
    Registers,
    RegistersWritten,
    Request,
    WriteCoil,
    WriteRegister,
    WriteRegisters,
)


class ModbusUnit:
    """Will answer as one unit of a Modbus line, for the meter that `core` is."""

    def __init__(self, core: MeterCore, *, unit_no: int, image: str) -> None:
        self._core = core
        self._image = IMAGES[image]
        self._unit_no = unit_no
        self._sessions: dict[str, MeterSession] = {}  # by the connector that bytes come in by

    def receive(self, data: bytes, *, now_ms: int, connector: str = "") -> bytes:
        """Obey what is asked of this unit, and return the answers' bytes; everybody's orders get none."""
        session = self._sessions.setdefault(connector, MeterSession(unit_no=self._unit_no))
        said = bytearray()
        for requested in session.receive(data, now_ms=now_ms):
            answer = self._answer(requested.request)
            if not requested.broadcast:
                said += session.send(answer)
        return bytes(said)

    def _answer(self, request: Request) -> Answer:
        match request:
            case ReadRegisters():
                return self._read(request)
            case WriteRegister():
                denial = self._image.takes(self._core, request.at, (request.value,))
                done: Answer = request
            case WriteRegisters():
                denial = self._image.takes(self._core, request.start, request.values)
                done = RegistersWritten(start=request.start, count=len(request.values))
            case WriteCoil():
                denial, done = Denial.ILLEGAL_FUNCTION, request
        return done if denial is None else _refusal(request, denial)

    def _read(self, request: ReadRegisters) -> Answer:
        shown = self._image.shows(self._core) if request.bank is self._image.bank else {}
        wanted = range(request.start, request.start + request.quantity)
        if not all(at in shown for at in wanted):
            return _refusal(request, Denial.ILLEGAL_ADDRESS)
        octets = b"".join(shown[at].to_bytes(2) for at in wanted)
        return Registers(bank=request.bank, octets=octets)


def _refusal(request: Request, denial: Denial) -> Refusal:
    return Refusal(function=request.to_pdu()[0], code=denial)

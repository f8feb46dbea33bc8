"""Modbus as a line speaks it; RTU always, since a road by TCP changes the dress of frames by itself."""

from compuerta.drivers.modbus import Conversation, Reply
from compuerta.drivers.model import RoadTiming
from compuerta.drivers.tongue import Ended, Heard, Speech, Spoken, Stray
from compuerta.wire import modbus

FRAME_BYTES = 7  # beside the PDU: unit, CRC, and the silence of three and a half characters


def in_modbus(conversation: Conversation, *, unit_no: int, meter_no: str) -> Speech:
    """Return a conversation with a unit, ready for a line; the line knows the meter by its number."""
    return Spoken(conversation, Modbus(unit_no=unit_no, meter_no=meter_no))


class Modbus:
    """This will carry requests to one unit; see `Tongue`."""

    def __init__(self, *, unit_no: int, meter_no: str) -> None:
        self._unit_no = unit_no
        self._meter_no = meter_no

    def session(self, timing: RoadTiming) -> "ModbusSession":
        """See `Tongue`."""
        return ModbusSession(unit_no=self._unit_no, meter_no=self._meter_no, timing=timing)

    def request_bytes(self, request: modbus.Request) -> int:
        """See `Tongue`."""
        return FRAME_BYTES + len(request.to_pdu())

    def is_repeatable(self, request: modbus.Request) -> bool:
        """See `Tongue`; nothing here does more when it is done twice."""
        return True

    def silence(self, request: modbus.Request) -> Reply:
        """See `Tongue`."""
        return modbus.Silent(request=request)


class ModbusSession:
    """This will carry one exchange; see `Session`."""

    def __init__(self, *, unit_no: int, meter_no: str, timing: RoadTiming) -> None:
        self._meter_no = meter_no
        self._master = modbus.MasterSession(
            unit_no=unit_no,
            timing=modbus.Timing(
                first_byte_ms=timing.first_byte_ms, gap_ms=timing.gap_ms, tries_max=timing.tries_max
            ),
        )

    def send(self, request: modbus.Request, *, now_ms: int) -> bytes:
        """See `Session`."""
        return self._master.send(request, now_ms=now_ms)

    def receive(self, data: bytes, *, now_ms: int) -> list[Ended[Reply] | Stray]:
        """See `Session`."""
        told: list[Ended[Reply] | Stray] = []
        for event in self._master.receive(data, now_ms=now_ms):
            match event:
                case modbus.Replied():
                    told.append(Ended(reply=event.answer, heard=Heard(meter_no=self._meter_no)))
                case modbus.Silent():
                    told.append(Ended(reply=event, heard=Heard(meter_no=None)))
                case modbus.Stray():
                    # Late, or the echo of a request: neither shows that the meter is there.
                    told.append(Stray(meter_no=None))
        return told

    def wake_at_ms(self) -> int | None:
        """See `Session`."""
        return self._master.wake_at_ms()

    def wake(self, now_ms: int) -> bytes:
        """See `Session`."""
        return self._master.wake(now_ms)

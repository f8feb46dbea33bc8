"""A virtual NB-IoT device as it is told things."""

from compuerta.virtual.nbiot.client import DeviceSetup, NbDevice
from compuerta.wire import coap
from compuerta.wire.lwm2m import objects

NOW_MS = 3_600_000


def test_a_device_that_is_told_to_show_itself_does_so_now_and_waits_for_its_answer() -> None:
    device = NbDevice(DeviceSetup(name="nb-1", lifetime_s=300, sleeps=False, values=dict), salt=b"device")
    platform = coap.CoapSession(salt=b"platform")
    platform.send(coap.Request(code=coap.Code.POST, path=objects.UPDATE_TRIGGER), now_ms=NOW_MS)
    (trigger,) = platform.take_datagrams()

    device.receive(trigger, now_ms=NOW_MS)

    wake_at_ms = device.wake_at_ms()
    assert len(device.take_datagrams()) == 2  # the answer, and a registration
    assert wake_at_ms is not None and wake_at_ms > NOW_MS

"""A virtual meter on a bench: asked through real frames, at a time that the test moves."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from compuerta.drivers.mac import SoftEsam, customer_payload, purchase_payload
from compuerta.drivers.model import RechargeLayout
from compuerta.virtual.meter import ConstantLoad, MeterSetup, VirtualMeter
from compuerta.virtual.meter.clock import civil_from_ms, ms_from_civil
from compuerta.wire.dlt645 import (
    Answer,
    Authenticate,
    AuthenticateAnswer,
    Deframer,
    ErrBit,
    ErrorAnswer,
    ReadRegister,
    Recharge,
    RegisterAnswer,
    RelayCommand,
    RelayControl,
    Request,
    SecurityErrorAnswer,
    SerrBit,
    Values,
    WriteRegister,
    decode_values,
    diversification,
    encode,
    parse_answer,
    security_error,
)

METER_NO = "558890213594"
VENDOR_NO = "260305510012"
CUSTOMER_NO = "000000123456"
OPERATOR = b"\x44\x33\x22\x11"
NOON = datetime(2026, 11, 22, 12, 0, 0)  # noqa: DTZ001 a meter's clock
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
ESAM = SoftEsam(b"a key for the tests of the meter")


@dataclass(slots=True)
class Bench:
    """A meter on the bench, and a world clock that the test moves."""

    meter: VirtualMeter
    now_ms: int = 0
    rand2: bytes = field(default=bytes(4))

    def ask(self, request: Request, *, address: str | None = None) -> Answer | None:
        sent = encode(request.to_frame(address or self.meter.meter_no))
        heard = self.meter.receive(sent, now_ms=self.now_ms)
        frames = Deframer().receive(heard, now_ms=self.now_ms)
        assert len(frames) <= 1
        assert all(frame.address == self.meter.meter_no for frame in frames)
        return parse_answer(frames[0]) if frames else None

    def wait(self, *, span_ms: int) -> None:
        self.now_ms += span_ms
        self.meter.advance(to_ms=self.now_ms)

    def read(self, di: int) -> bytes:
        answer = self.ask(ReadRegister(di=di))
        assert isinstance(answer, RegisterAnswer), answer
        return answer.payload

    def identify(self) -> None:
        rand1 = bytes(range(8))
        answer = self.ask(
            Authenticate(
                operator=OPERATOR,
                cipher1=ESAM.identity(self.meter.meter_no, rand1=rand1),
                rand1=rand1,
                diversification=diversification(self.meter.meter_no),
            )
        )
        assert isinstance(answer, AuthenticateAnswer)
        self.rand2 = answer.rand2

    def mac(self, payload: bytes) -> bytes:
        return ESAM.mac(self.meter.meter_no, rand2=self.rand2, payload=payload)

    def a_recharge(
        self, *, amount_minor: int = 10_000, purchase_no: int = 1, customer_no: str = CUSTOMER_NO
    ) -> Recharge:
        purchase = purchase_payload(amount_minor=amount_minor, purchase_no=purchase_no)
        return Recharge(
            operator=OPERATOR,
            amount_minor=amount_minor,
            purchase_no=purchase_no,
            mac1=self.mac(purchase),
            customer_no=customer_no,
            mac2=self.mac(customer_payload(customer_no)),
        )

    def switch(self, command: RelayCommand, *, valid_min: int = 10, **changes: object) -> Answer | None:
        clock = civil_from_ms(self.meter.core.civil_ms).replace(microsecond=0)
        order = RelayControl(
            command=command,
            password_level=0x02,
            password="000000",
            operator=OPERATOR,
            valid_until=clock + timedelta(minutes=valid_min),
        )
        return self.ask(replace(order, **changes))

    def write(self, di: int, value: bytes, *, password: str = "000000") -> Answer | None:
        return self.ask(
            WriteRegister(di=di, password_level=0x02, password=password, operator=OPERATOR, value=value)
        )

    def write_sealed(self, di: int, value: bytes) -> Answer | None:
        """Class 1: the plain value and its MAC, after identity."""
        self.identify()
        sealed = value + self.mac(value)
        return self.ask(WriteRegister(di=di, password_level=0x99, password="000000", value=sealed))

    def values(self, di: int) -> Values:
        return decode_values(di, self.read(di))

    def wait_until(self, civil: datetime) -> None:
        self.wait(span_ms=ms_from_civil(civil) - self.meter.core.civil_ms)

    def word_3(self) -> int:
        return int.from_bytes(self.read(0x04000503), "little")


def a_bench(*, balance_minor: int = 5_000, power_w: int = 1_000, **changes: object) -> Bench:
    setup = MeterSetup(
        meter_no=METER_NO,
        customer_no=CUSTOMER_NO,
        balance_minor=balance_minor,
        load=ConstantLoad(power_w=power_w),
        civil_offset_ms=ms_from_civil(NOON),
    )
    return Bench(VirtualMeter(replace(setup, **changes), now_ms=0, esam=ESAM, chance=Random(1)))


def a_vendor_bench(**changes: object) -> Bench:
    return a_bench(meter_no=VENDOR_NO, layout=RechargeLayout.VENDOR, **changes)


def refused(*bits: SerrBit) -> SecurityErrorAnswer:
    return security_error(*bits)


def err(function: int, bit: ErrBit) -> ErrorAnswer:
    return ErrorAnswer(function=function, err=frozenset({bit}))

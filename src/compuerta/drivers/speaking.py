"""From an order to a conversation that a line can hold, whatever the meter's protocol."""

from compuerta.drivers import dlt645, modbus
from compuerta.drivers.abilities import Ending, Order, Result
from compuerta.drivers.dlt645_tongue import in_dlt645
from compuerta.drivers.mac import MacProvider
from compuerta.drivers.modbus_tongue import in_modbus
from compuerta.drivers.model import Model
from compuerta.drivers.talk import Chance, Conversation, MeterIdentity
from compuerta.drivers.tongue import Speech


def speak(
    order: Order,
    *,
    model: Model,
    meter: MeterIdentity,
    mac: MacProvider,
    chance: Chance,
    repeated: bool = False,
) -> Speech:
    """Return the conversation that carries out `order`, in the model's tongue.

    `repeated` says that the same order was sent before and its end is not known. Conversations never raise.
    """
    if model.modbus is None:
        said = dlt645.converse(order, model=model, meter=meter, mac=mac, chance=chance, repeated=repeated)
        return in_dlt645(said, meter_no=meter.meter_no)
    if meter.unit_no is None:
        return spoken_already(Result(ending=Ending.REFUSED, reason="unit_not_entered"))
    return in_modbus(
        modbus.converse(order, registers=model.modbus, meter=meter),
        unit_no=meter.unit_no,
        meter_no=meter.meter_no,
    )


def spoken_already(result: Result) -> Speech:
    """Return the conversation that ends before it begins."""
    return in_dlt645(_ended(result), meter_no="")


def _ended(result: Result) -> Conversation:
    return result
    yield  # a generator, as conversations are

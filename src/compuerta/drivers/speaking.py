"""From an order to a conversation that a line can hold, whatever the meter's protocol."""

from compuerta.drivers.abilities import Order, Result
from compuerta.drivers.dlt645 import converse
from compuerta.drivers.dlt645_tongue import in_dlt645
from compuerta.drivers.mac import MacProvider
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
    said = converse(order, model=model, meter=meter, mac=mac, chance=chance, repeated=repeated)
    return in_dlt645(said, meter_no=meter.meter_no)


def spoken_already(result: Result) -> Speech:
    """Return the conversation that ends before it begins."""
    return in_dlt645(_ended(result), meter_no="")


def _ended(result: Result) -> Conversation:
    return result
    yield  # a generator, as conversations are

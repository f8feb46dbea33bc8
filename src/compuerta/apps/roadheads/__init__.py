"""The road heads of a gateway: a module for each, put together here."""

from compuerta.adapters.links.coap_server import CoapLimits
from compuerta.adapters.links.operator_http import account_at
from compuerta.adapters.links.roadhead import Keeper, Roadhead
from compuerta.apps.broker_files import broker_of
from compuerta.apps.config import Settings
from compuerta.apps.roadheads.coap import CoapHead
from compuerta.apps.roadheads.dial_in import DialInHead
from compuerta.apps.roadheads.dial_out import dial_out_head
from compuerta.apps.roadheads.mqtt import MqttHead
from compuerta.apps.roadheads.operator import OperatorHead
from compuerta.apps.roadheads.outpost import OutpostHead
from compuerta.apps.roadheads.serial import serial_head


def heads_of(given: Settings, keeper: Keeper) -> list[Roadhead]:
    """Return the heads that this installation has."""
    return [
        DialInHead(keeper, host=given.road_host, port=given.road_port),
        serial_head(keeper),
        dial_out_head(keeper),
        *_coap(given, keeper),
        *_operator(given, keeper),
        *([OutpostHead(keeper, given=given)] if given.outpost_port else []),
        *_mqtt(given, keeper),
    ]


def _mqtt(given: Settings, keeper: Keeper) -> list[Roadhead]:
    broker = broker_of(given)
    return [] if broker is None else [MqttHead(keeper, broker=broker)]


def _coap(given: Settings, keeper: Keeper) -> list[Roadhead]:
    if not given.coap_port and not given.coap_bare_port:
        return []
    return [
        CoapHead(
            keeper,
            host=given.road_host,
            ports=(given.coap_port, given.coap_bare_port),
            secret=given.secret("roads"),
            limits=CoapLimits(window_s=given.coap_window_s),
        )
    ]


def _operator(given: Settings, keeper: Keeper) -> list[Roadhead]:
    if given.operator_url is None:
        return []
    return [
        OperatorHead(
            keeper,
            host=given.road_host,
            port=given.operator_port,
            account=account_at(given.operator_url),
            window_s=given.coap_window_s,
        )
    ]

"""A small MQTT broker in software: what a demonstration has where no mosquitto is installed."""

from compuerta.virtual.broker.rights import PLATFORM, Guests
from compuerta.virtual.broker.server import BrokerServer

__all__ = ["PLATFORM", "BrokerServer", "Guests"]

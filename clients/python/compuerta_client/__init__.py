"""A client for Compuerta: order a recharge, follow it to the light, collect as a biller, believe webhooks."""

from compuerta_client.client import Compuerta as Compuerta
from compuerta_client.errors import Refused as Refused
from compuerta_client.errors import Unknown as Unknown
from compuerta_client.shapes import Attempt as Attempt
from compuerta_client.shapes import Collected as Collected
from compuerta_client.shapes import Day as Day
from compuerta_client.shapes import Line as Line
from compuerta_client.shapes import Order as Order
from compuerta_client.shapes import Owed as Owed
from compuerta_client.shapes import Payable as Payable
from compuerta_client.shapes import Quote as Quote
from compuerta_client.shapes import Way as Way
from compuerta_client.webhooks import Told as Told
from compuerta_client.webhooks import told_by as told_by

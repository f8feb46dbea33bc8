"""Keys of roads: what a device shows to be let in by MQTT, CoAP or beside a bus.

No key is kept: each is made anew from one secret of the installation, the end's name and its generation, so
that nothing of it lies in the database, and a key that was lost is taken back by counting the generation up.
"""

import hmac
from hashlib import sha256

from compuerta.services.records import Endpoint

KEY_BYTES = 32


def key_of(endpoint: Endpoint, *, secret: bytes) -> bytes:
    """Return the key of an end; `secret` is the installation's, of the name `roads`."""
    return named_key(endpoint.endpoint_id, generation=endpoint.key_generation, secret=secret)


def named_key(name: str, *, generation: int, secret: bytes) -> bytes:
    """Return the key of a device that is no end by itself, such as an outpost with many lines."""
    return hmac.digest(secret, f"road:{generation}:{name}".encode(), sha256)

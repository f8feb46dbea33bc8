"""Names of many rows at once: the same names as `naming.named` gives, as the bytes that a database keeps."""

from collections.abc import Iterable
from hashlib import sha1

import numpy as np
from numpy.typing import NDArray

from compuerta.domain.naming import NAMESPACE

Names = NDArray[np.uint8]  # [row, byte]: sixteen of them, RFC 9562 5.5

_DIGEST_BYTES, _NAME_BYTES = 20, 16


def named_many(facts: Iterable[str]) -> Names:
    """Name the things of which these facts tell, each written as `kind:fact:fact`."""
    begun = sha1(NAMESPACE.bytes, usedforsecurity=False)
    digests = []
    for fact in facts:
        digest = begun.copy()
        digest.update(fact.encode())
        digests.append(digest.digest())
    return _names(digests)


def derived_many(parents: Names, kind: str) -> Names:
    """Name the one thing of a kind that follows from each parent, as `naming.derived` does."""
    end, whole = kind.encode(), parents.tobytes()
    starts = range(0, len(whole), _NAME_BYTES)
    return _names([sha1(whole[at : at + _NAME_BYTES] + end, usedforsecurity=False).digest() for at in starts])


def _names(digests: list[bytes]) -> Names:
    names = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, _DIGEST_BYTES)[:, :_NAME_BYTES].copy()
    names[:, 6] = names[:, 6] & 0x0F | 0x50  # version 5
    names[:, 8] = names[:, 8] & 0x3F | 0x80  # the variant
    return names

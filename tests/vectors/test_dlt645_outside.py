"""The vectors that come from outside the project: captures of real meters, other people's examples."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.vectors.dlt645_checks import CHECKS, Vector, check_stream

from compuerta.wire.dlt645 import Frame

SOURCE = Path(__file__).parents[2] / ".." / "shared" / "vectors" / "dlt645.json"
if not SOURCE.exists():
    pytest.skip("../shared/vectors/dlt645.json is not here", allow_module_level=True)

pytestmark = pytest.mark.outside

VECTORS = [
    Vector(
        name=row["id"],
        wire=bytes.fromhex(row["hex"]),
        frame=Frame(address=row["addr"], control=row["ctrl"], data=bytes.fromhex(row["data"])),
    )
    for row in json.loads(SOURCE.read_text("utf-8"))
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_an_outside_vector_passes(vector: Vector, check: Callable[[Vector], None]) -> None:
    check(vector)


def test_the_outside_vectors_pass_as_one_stream() -> None:
    check_stream(VECTORS)

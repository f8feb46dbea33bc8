"""The vectors beside the codec: every function and layout at least once, each through every check."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from tests.vectors.dlt645_checks import CHECKS, Vector, check_stream

from compuerta.wire import dlt645
from compuerta.wire.dlt645 import Frame

ROWS = json.loads((Path(dlt645.__file__).parent / "vectors.json").read_text("utf-8"))
VECTORS = [
    Vector(
        name=row["id"],
        wire=bytes.fromhex(row["hex"]),
        frame=Frame(
            address=row["frame"]["address"],
            control=row["frame"]["control"],
            data=bytes.fromhex(row["frame"]["data"]),
        ),
        meaning=row["meaning"],
    )
    for row in ROWS
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_an_own_vector_passes(vector: Vector, check: Callable[[Vector], None]) -> None:
    check(vector)


def test_the_own_vectors_pass_as_one_stream() -> None:
    check_stream(VECTORS)


def test_the_own_vectors_hold_every_request_and_every_answer() -> None:
    kinds = {
        type((dlt645.parse_answer if row["direction"] == "answer" else dlt645.parse_request)(vector.frame))
        for row, vector in zip(ROWS, VECTORS, strict=True)
    }

    assert kinds == {*get_args(dlt645.Request), *get_args(dlt645.Answer)}


CANARIES = {
    "wrong data": replace(VECTORS[3], frame=VECTORS[3].frame._replace(data=b"\0\0\1\0\x56\x34\x12\1")),
    "wrong sum": replace(VECTORS[3], wire=VECTORS[3].wire[:-2] + b"\0\x16"),
    "wrong meaning": replace(VECTORS[3], meaning="00010000 forward active energy total = 1234.57 kWh"),
}


@pytest.mark.parametrize("canary", CANARIES.values(), ids=CANARIES.keys())
def test_a_vector_that_is_wrong_does_not_pass(canary: Vector) -> None:
    def passes(check: Callable[[Vector], None]) -> bool:
        try:
            check(canary)
        except (AssertionError, ValueError):
            return False
        return True

    assert not all(passes(check) for check in CHECKS)

"""The worlds that sabotage is tried in keep every promise with all guards on."""

import pytest
from tests.sim.test_sabotage import SEEDS

from compuerta.sim.runner import run


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_world_with_all_guards_on_keeps_every_promise(seed: int) -> None:
    assert run(seed).broken == ()

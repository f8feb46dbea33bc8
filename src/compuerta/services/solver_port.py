"""The port to whoever finds the cheapest plan of roads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from compuerta.domain.advice import PPM
from compuerta.domain.advice_plan import Plan, Problem

Progress: TypeAlias = Callable[[int, int], None]  # the cost so far, and what no plan can cost less than


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A plan, what it costs, and what no plan for as many units can cost less than."""

    plan: Plan
    cost_minor: int
    least_minor: int

    @property
    def proven(self) -> bool:
        """Whether nothing cheaper exists."""
        return self.least_minor >= self.cost_minor

    @property
    def gap_ppm(self) -> int:
        """How much cheaper a plan could still be at most, as a share of this one."""
        return (self.cost_minor - self.least_minor) * PPM // self.cost_minor if self.cost_minor else 0


class Solve(Protocol):
    """Finds the cheapest plan within so much time, beginning at plans that are known."""

    def __call__(
        self, problem: Problem, *, limit_ms: int, on_progress: Progress, known: Sequence[Plan] = ()
    ) -> Answer:
        """Return what was found when it is proven, or time is over."""
        ...

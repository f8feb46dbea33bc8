"""Schedules are compiled once, and anew when a decision on one of their tariffs was made."""

from collections.abc import Sequence
from datetime import datetime

from tests.unit.services.tariffs import FLAT
from tests.unit.services.town import NOON

from compuerta.domain.tariff.document import fingerprint
from compuerta.domain.tariff.schedule import Version
from compuerta.services.records import TariffVersion, VersionState
from compuerta.services.schedules import Billing, Schedules

ONE_VERSION = TariffVersion(
    version=Version(tariff_id=1, version_no=1, effective_from=datetime(2026, 1, 1), tariff=FLAT),  # noqa: DTZ001
    state=VersionState.APPROVED,
    fingerprint=fingerprint(FLAT),
    drafted_by="ana",
    drafted_at=NOON,
)


def a_billing(*, generation: int) -> Billing:
    return Billing(zone="Asia/Shanghai", assignments=((None, 1, generation),))


class Kept:
    """The versions of one tariff, and how often they were read."""

    def __init__(self) -> None:
        self.read: list[Sequence[int]] = []

    def __call__(self, tariff_ids: Sequence[int]) -> list[TariffVersion]:
        self.read.append(tariff_ids)
        return [ONE_VERSION]


def test_versions_are_read_once_per_generation() -> None:
    schedules, kept = Schedules(), Kept()

    for generation in (1, 1, 2):
        schedules.of([a_billing(generation=generation)], read=kept)

    assert kept.read == [[1], [1]]


def test_accounts_that_were_read_before_and_after_a_decision_are_billed_together() -> None:
    schedules, kept = Schedules(), Kept()
    before, after = a_billing(generation=1), a_billing(generation=2)

    found = schedules.of([before, after], read=kept)

    assert [found[each].version_at(0) for each in (before, after)] == [ONE_VERSION.version] * 2
    assert kept.read == [[1]]

"""Tariffing: versions are drafted, proposed, approved by a second person, and brought to accounts and meters.

A version never changes once it is proposed (promise A2: nobody approves their own request).
"""

from dataclasses import dataclass
from datetime import datetime

from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.document import fingerprint
from compuerta.domain.tariff.schedule import Version
from compuerta.services.store_port import TariffVersion, Transaction, VersionState

# A tariff that a house begins with holds from before there was any reading.
SINCE_EVER = datetime(2000, 1, 1)  # noqa: DTZ001 the wall clock of any site


@dataclass(frozen=True, slots=True, kw_only=True)
class Founders:
    """The two persons who stand for a first tariff."""

    drafted_by: str
    approved_by: str


def found(tx: Transaction, tariff: Tariff, *, organisation_id: int, founders: Founders, now: datetime) -> int:
    """Begin a tariff with a first version that holds since ever; returns its id."""
    tariff_id = tx.add_tariff(
        organisation_id=organisation_id, name=tariff.name, currency=tariff.currency, at=now
    )
    tx.put_version(
        TariffVersion(
            version=Version(tariff_id=tariff_id, version_no=1, effective_from=SINCE_EVER, tariff=tariff),
            state=VersionState.APPROVED,
            fingerprint=fingerprint(tariff),
            drafted_by=founders.drafted_by,
            drafted_at=now,
            proposed_by=founders.drafted_by,
            proposed_at=now,
            decided_by=founders.approved_by,
            decided_at=now,
        )
    )
    return tariff_id

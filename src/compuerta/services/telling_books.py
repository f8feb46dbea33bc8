"""What partners' bookkeeping is told: that a day was closed, a month, and that an export was made.

Each is queued in the transaction that makes it happen, as what happens to orders is; see `partnering`.
"""

import json
from datetime import date, datetime
from uuid import UUID

from compuerta.domain.naming import named
from compuerta.services import partnering
from compuerta.services.freeze_port import SiteDay
from compuerta.services.partner_port import Event, Happening
from compuerta.services.store_port import Transaction


def closed_day(tx: Transaction, day: SiteDay, *, now: datetime) -> None:
    """Queue that a site's day was closed; once more for each version, since late readings open it again."""
    about: dict[str, str | int] = {
        "site_id": day.site_id,
        "day": day.day.isoformat(),
        "version": day.version,
        "meters": day.meters,
        "provisional": day.provisional,
        "missing": day.missing,
    }
    name = named("day closed", day.site_id, day.day.isoformat(), day.version)
    _tell(tx, Event.DAY_CLOSED, name, day.organisation_id, about, now=now)


def closed_month(tx: Transaction, organisation_id: int, month: date, *, now: datetime) -> None:
    """Queue that a month's books were closed for good."""
    name = named("month closed", organisation_id, month.isoformat())
    _tell(tx, Event.MONTH_CLOSED, name, organisation_id, {"month": f"{month:%Y-%m}"}, now=now)


def made_export(tx: Transaction, organisation_id: int, export_no: int, *, now: datetime) -> None:
    """Queue that an export has its number, and can be fetched."""
    name = named("export made", organisation_id, export_no)
    _tell(tx, Event.EXPORT_MADE, name, organisation_id, {"export_no": export_no}, now=now)


def _tell(
    tx: Transaction,
    event: Event,
    name: UUID,
    organisation_id: int,
    about: dict[str, str | int],
    *,
    now: datetime,
) -> None:
    happening = Happening(
        happening_id=name,
        event=event,
        account_id=None,
        organisation_id=organisation_id,
        about=json.dumps(about, sort_keys=True),
        at=now,
    )
    partnering.tell(tx, [happening], now=now)

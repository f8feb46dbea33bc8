"""What the screen of drifts shows: open differences, and what is used behind silent ends of roads."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from compuerta.apps.console.reads import rows
from compuerta.domain.drift import AtRisk, SilentAccount, at_risk
from compuerta.domain.policy import SILENT_MIN

SHOWN_MAX: Final = 200
ACCOUNTS_MAX: Final = 20_000  # behind silent ends; more than one organisation's estate


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """A difference that nobody has ended, with its three figures."""

    account_id: int
    drift_id: UUID
    kind: str  # its case's
    day: date
    seen_day: date
    books_minor: int
    meter_minor: int | None
    recomputed_minor: int | None
    minor: int
    currency: str
    opened_at: datetime
    owner: str | None
    place: str
    building: str
    meter_id: int

    @property
    def is_above(self) -> bool:
        """Whether the other figure is above our books."""
        return self.minor > 0


def drifts(organisation_id: int) -> list[DriftRow]:
    """Return the open drifts, the largest amounts first."""
    return rows(
        DriftRow,
        """select d.account_id, d.drift_id, f.kind, d.day, d.seen_day, d.books_minor, d.meter_minor,
            d.recomputed_minor, d.minor, z.currency, d.opened_at, f.owner, s.name as place, s.building,
            d.meter_id
        from drift d
        join case_file f on f.account_id = d.account_id and f.case_id = d.drift_id
        join account a on a.account_id = d.account_id
        join supply_point s using (supply_point_id)
        join site z on z.site_id = s.site_id
        where a.organisation_id = %(organisation_id)s and d.gone_at is null and f.closed_at is null
        order by abs(d.minor) desc, d.opened_at, d.drift_id limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": SHOWN_MAX},
    )


def money_at_risk(organisation_id: int, *, now: datetime) -> list[AtRisk]:
    """Return what is used behind ends of roads that are silent, and that nobody can cut, the most first.

    A mean day costs what the last seven days that were rolled have cost. A meter stands behind the end whose
    repair brings it back: its own, unless another of its ways was there later.
    """
    found = rows(
        SilentAccount,
        """select behind.endpoint_id, z.currency, t.heard_at as silent_since,
            s.delivered_minor as balance_minor,
            coalesce(used.day_minor, 0)::bigint as day_minor
        from installation i
        join meter m using (meter_id)
        join meter_state t using (meter_id)
        join account a on a.account_id = i.account_id
        join account_state s on s.account_id = a.account_id
        join site z on z.site_id = a.site_id
        left join lateral (
            select avg(charged_minor) as day_minor from (
                select distinct on (day) charged_minor from account_day d
                where d.account_id = a.account_id and d.day > t.heard_at - interval '8 days'
                    and d.day < t.heard_at
                order by day desc, version desc limit 7
            ) last_days
        ) used on true
        cross join lateral (
            select w.endpoint_id from (
                select m.endpoint_id, 0 as rank
                union all select y.endpoint_id, y.rank from meter_way y where y.meter_id = m.meter_id
            ) w left join endpoint_state e using (endpoint_id)
            order by e.contact_at desc nulls last, w.rank limit 1
        ) behind
        where a.organisation_id = %(organisation_id)s and i.ended_at is null
            and m.credit_authority = 'platform' and a.tariff_id is not null and t.heard_at < %(before)s
            and t.relay is distinct from 'open'
        order by behind.endpoint_id, a.account_id limit %(limit)s""",
        {
            "organisation_id": organisation_id,
            "before": now - timedelta(minutes=SILENT_MIN),
            "limit": ACCOUNTS_MAX,
        },
    )
    return at_risk(found, now=now)

"""What the tariff screens read: versions and where they stand, and which meters have which of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from compuerta.apps.console.reads import rows
from compuerta.domain.tariff.components import Terms
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.schedule import Version
from compuerta.domain.tariff.tally import Span

VERSIONS_SHOWN_MAX = 400
ACCOUNTS_SHOWN_MAX = 500
READINGS_REPLAYED_MAX = 9_000  # a year of hours
APPROVED = ("in_force", "coming", "replaced")  # how an approved version stands


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """A version as the list shows it; `stands` adds to its state whether its time has come."""

    tariff_id: int
    version_no: int
    name: str
    currency: str
    accounts: int
    zone: str
    effective_from: datetime  # the wall clock of each site
    stands: str  # draft, proposed, coming, in_force, replaced, withdrawn
    drafted_by: str
    proposed_by: str | None
    proposed_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    note: str
    document_text: str

    @property
    def document(self) -> object:
        """The document as it is kept."""
        return json.loads(self.document_text)


def to_version(row: VersionRow) -> Version:
    """Return a version as rating takes it."""
    return Version(
        tariff_id=row.tariff_id,
        version_no=row.version_no,
        effective_from=row.effective_from,
        tariff=tariff_from(row.document),
    )


# The tariff of each open account: that of its opening, or the last one it changed to.
_BILLED_BY = """
select a.account_id, coalesce(c.tariff_id, a.tariff_id) as tariff_id,
    case when c.tariff_id is null then a.persons else c.persons end as persons,
    case when c.tariff_id is null then a.contracted_w else c.contracted_w end as contracted_w
from account a
left join lateral (
    select tariff_id, persons, contracted_w from tariff_assignment
    where tariff_assignment.account_id = a.account_id and starts_at <= %(now)s
    order by starts_at desc limit 1
) c on true
where a.organisation_id = %(organisation_id)s and a.kind = 'customer' and a.closed_at is null
"""

_VERSIONS = f"""
with billed_by as ({_BILLED_BY}),
home as (
    select coalesce((
        select zone from site where organisation_id = %(organisation_id)s order by site_id limit 1
    ), 'UTC') as zone
)
select v.tariff_id, v.version_no, t.name, t.currency, home.zone, v.effective_from,
    (select count(*) from billed_by where billed_by.tariff_id = t.tariff_id) as accounts,
    case
        when v.state <> 'approved' then v.state
        when v.effective_from > %(now)s at time zone home.zone then 'coming'
        when exists (
            select from tariff_version l
            where l.tariff_id = v.tariff_id and l.state = 'approved' and l.effective_from > v.effective_from
                and l.effective_from <= %(now)s at time zone home.zone
        ) then 'replaced'
        else 'in_force'
    end as stands,
    v.drafted_by, v.proposed_by, v.proposed_at, v.decided_by, v.decided_at, v.note,
    v.document::text as document_text
from tariff t
join tariff_version v using (tariff_id)
cross join home
where t.organisation_id = %(organisation_id)s
"""


def versions(organisation_id: int, *, now: datetime) -> list[VersionRow]:
    """Return all versions of all tariffs, tariff by tariff, the newest first."""
    return rows(
        VersionRow,
        f"{_VERSIONS} order by t.name, t.tariff_id, v.version_no desc limit %(limit)s",
        {"organisation_id": organisation_id, "now": now, "limit": VERSIONS_SHOWN_MAX},
    )


def version(organisation_id: int, tariff_id: int, version_no: int, *, now: datetime) -> VersionRow | None:
    """Return one version, or None where the organisation has no such."""
    found = rows(
        VersionRow,
        f"{_VERSIONS} and v.tariff_id = %(tariff_id)s and v.version_no = %(version_no)s",
        {"organisation_id": organisation_id, "tariff_id": tariff_id, "version_no": version_no, "now": now},
    )
    return found[0] if found else None


def version_before(row: VersionRow, organisation_id: int, *, now: datetime) -> VersionRow | None:
    """Return the approved version that this one would replace at its instant."""
    found = rows(
        VersionRow,
        f"""{_VERSIONS} and v.tariff_id = %(tariff_id)s and v.version_no <> %(version_no)s
            and v.state = 'approved' and v.effective_from <= %(effective_from)s
        order by v.effective_from desc limit 1""",
        {
            "organisation_id": organisation_id,
            "tariff_id": row.tariff_id,
            "version_no": row.version_no,
            "effective_from": row.effective_from,
            "now": now,
        },
    )
    return found[0] if found else None


_BILLED = f"""
with billed_by as ({_BILLED_BY})
select a.account_id, m.meter_id, p.name as place, a.name as account_name, a.site_id, z.name as site,
    z.zone, a.opened_at, b.tariff_id, t.name as tariff, t.currency, b.persons, b.contracted_w, m.model
from billed_by b
join account a using (account_id)
join tariff t on t.tariff_id = b.tariff_id
join supply_point p using (supply_point_id)
join site z on z.site_id = a.site_id
join installation n on n.account_id = a.account_id and n.ended_at is null
join meter m on m.meter_id = n.meter_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledRow:
    """An account that a tariff bills, and its meter."""

    account_id: int
    meter_id: int
    place: str
    account_name: str
    site_id: int
    site: str
    zone: str
    opened_at: datetime
    tariff_id: int
    tariff: str
    currency: str
    persons: int | None
    contracted_w: int | None
    model: str

    @property
    def terms(self) -> Terms:
        """What of the contract a tariff may ask for."""
        return Terms(persons=self.persons, contracted_w=self.contracted_w)


def metered(organisation_id: int, *, now: datetime) -> list[BilledRow]:
    """Return all accounts with a meter, by whatever tariff."""
    return rows(
        BilledRow,
        f"{_BILLED} order by z.name, length(p.name), p.name limit %(limit)s",
        {"organisation_id": organisation_id, "now": now, "limit": ACCOUNTS_SHOWN_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _AssignmentRow:
    starts_at: datetime


def is_assigned(account_id: int, starts_at: datetime) -> bool:
    """Tell whether an account has a change of tariff at this very instant."""
    found = rows(
        _AssignmentRow,
        """select starts_at from tariff_assignment
        where account_id = %(account_id)s and starts_at = %(starts_at)s""",
        {"account_id": account_id, "starts_at": starts_at},
    )
    return bool(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRow:
    """What a meter's register stood at."""

    at: datetime
    energy_wh: int


def use(meter_id: int, *, since: datetime) -> list[RegisterRow]:
    """Return a meter's register since an instant, the first of every hour and the last, the oldest first."""
    return rows(
        RegisterRow,
        """(select distinct on (date_trunc('hour', at)) at, energy_wh from reading
            where meter_id = %(meter_id)s and at >= %(since)s and energy_wh is not null
            order by date_trunc('hour', at), at limit %(limit)s)
        union
        (select at, energy_wh from reading
            where meter_id = %(meter_id)s and at >= %(since)s and energy_wh is not null
            order by at desc limit 1)
        order by at""",
        {"meter_id": meter_id, "since": since, "limit": READINGS_REPLAYED_MAX},
    )


def spans(registers: Sequence[RegisterRow]) -> tuple[Span, ...]:
    """Return the uses between registers; one that ran backwards or was changed is nobody's use."""
    return tuple(
        Span(start=earlier.at, end=later.at, energy_wh=later.energy_wh - earlier.energy_wh)
        for earlier, later in pairwise(registers)
        if later.energy_wh >= earlier.energy_wh
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where an organisation is at home: its first site's zone and currency."""

    zone: str
    currency: str


def home(organisation_id: int) -> Home:
    """Return an organisation's home; one without a site begins in UTC, with CNY."""
    found = rows(
        Home,
        """select zone, currency from site where organisation_id = %(organisation_id)s
        order by site_id limit 1""",
        {"organisation_id": organisation_id},
    )
    return found[0] if found else Home(zone="UTC", currency="CNY")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    name: str


def names(organisation_id: int) -> frozenset[str]:
    """Return the names that tariffs have."""
    statement = "select name from tariff where organisation_id = %(organisation_id)s"
    return frozenset(each.name for each in rows(_Name, statement, {"organisation_id": organisation_id}))

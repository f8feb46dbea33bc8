"""What the screens of access read: grants, roles, keys, places to grant in, and who did what."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from compuerta.apps.console.reads import rows
from compuerta.domain.access import Place

AUDIT_SHOWN_MAX = 200
AUDIT_FILE_MAX = 100_000  # a file beyond it is taken in parts, by days


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRow:
    """A role that somebody has in a place."""

    grant_id: UUID
    user_name: str
    role: str
    site_id: int | None
    site: str | None
    building: str | None
    granted_by: str
    granted_at: datetime

    def place(self, organisation_id: int) -> Place:
        """Return where it holds."""
        return Place(organisation_id=organisation_id, site_id=self.site_id, building=self.building)


def grants(organisation_id: int) -> list[GrantRow]:
    """Return what is granted now, by person."""
    return rows(
        GrantRow,
        """select g.grant_id, g.user_name, g.role, g.site_id, s.name as site, g.building, g.granted_by,
            g.granted_at
        from role_grant g left join site s using (site_id)
        where g.organisation_id = %(organisation_id)s and g.revoked_at is null
        order by g.user_name, g.site_id nulls first, g.building nulls first, g.role""",
        {"organisation_id": organisation_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRow:
    """A role that an organisation has defined itself."""

    role: str
    rights: list[str]


def own_roles(organisation_id: int) -> list[RoleRow]:
    """Return an organisation's own roles by name."""
    return rows(
        RoleRow,
        "select role, rights from role where organisation_id = %(organisation_id)s order by role",
        {"organisation_id": organisation_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """An API key, without what signs in with it."""

    key_id: UUID
    name: str
    scopes: list[str]
    site_id: int | None
    site: str | None
    made_by: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


def keys(organisation_id: int) -> list[KeyRow]:
    """Return the keys that were not revoked, the newest first."""
    return rows(
        KeyRow,
        """select k.key_id, k.name, k.scopes, k.site_id, s.name as site, k.made_by, k.created_at,
            k.expires_at, k.used_at
        from api_key k left join site s using (site_id)
        where k.organisation_id = %(organisation_id)s and k.revoked_at is null
        order by k.created_at desc, k.name""",
        {"organisation_id": organisation_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A site, or a building of it, that something can be granted for."""

    site_id: int
    site: str
    building: str | None


def spots(organisation_id: int) -> list[Spot]:
    """Return every site, each followed by its buildings."""
    return rows(
        Spot,
        """select site_id, name as site, null::text as building from site
        where organisation_id = %(organisation_id)s
        union select site_id, s.name, p.building from site s join supply_point p using (site_id)
        where organisation_id = %(organisation_id)s and p.building <> ''
        order by site, site_id, building nulls first""",
        {"organisation_id": organisation_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """What somebody did: why, from where, and what it changed."""

    at: datetime
    who: str
    what: str
    subject: str
    place: str | None
    meter_id: int | None
    why: str
    origin: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditWish:
    """Which acts are looked for; what is "" or None does not matter."""

    who: str = ""
    what: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


def audit(organisation_id: int, wish: AuditWish, *, limit: int = AUDIT_SHOWN_MAX) -> list[AuditRow]:
    """Return the acts that match, the latest first."""
    return rows(
        AuditRow,
        """select u.at, u.who, u.what, u.subject, p.name as place, i.meter_id, u.why, u.origin, u.before,
            u.after
        from audit u
        left join account a on a.account_id = substring(u.subject from '^account ([0-9]{1,18})$')::bigint
        left join supply_point p using (supply_point_id)
        left join installation i on i.account_id = a.account_id and i.ended_at is null
        where u.organisation_id = %(organisation_id)s
            and (%(who)s = '' or u.who = %(who)s) and (%(what)s = '' or u.what = %(what)s)
            and (%(subject)s = ''
                or strpos(lower(concat_ws(' ', u.subject, p.name)), lower(%(subject)s)) > 0)
            and (%(since)s::timestamptz is null or u.at >= %(since)s)
            and (%(until)s::timestamptz is null or u.at < %(until)s)
        order by u.at desc, u.audit_id limit %(limit)s""",
        {
            "organisation_id": organisation_id,
            "who": wish.who,
            "what": wish.what,
            "subject": wish.subject,
            "since": wish.since,
            "until": wish.until,
            "limit": limit,
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditChoice:
    """Something that the audit can be narrowed to."""

    kind: str
    value: str


def audit_choices(organisation_id: int) -> list[AuditChoice]:
    """Return who acted and what was done, each once."""
    return rows(
        AuditChoice,
        """select distinct k.kind, k.value from audit u
        cross join lateral (values ('who', u.who), ('what', u.what)) as k (kind, value)
        where u.organisation_id = %(organisation_id)s order by kind, value""",
        {"organisation_id": organisation_id},
    )

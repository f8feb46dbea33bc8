"""What a meter's page, a receipt and a resident's page read of one account's past."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from compuerta.adapters.postgres.walls import Wall
from compuerta.apps import walls
from compuerta.apps.console.reads import HISTORY_ROWS_MAX, READINGS_DRAWN_MAX, STOPWATCHES_MAX, rows

DAYS_SHOWN_MAX = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopwatch:
    """A recharge and its four instants; None = not yet."""

    recharge_id: UUID
    provider: str
    reference: str
    currency: str
    paid_minor: int
    paid_at: datetime
    posted_at: datetime
    credited_at: datetime | None
    closed_at: datetime | None
    payment_id: UUID | None = None  # None where nobody paid for it


_STOPWATCHES = """
select l.recharge_id, l.provider, l.reference, l.currency, l.paid_minor,
    l.paid_at, l.posted_at, l.credited_at, l.closed_at, r.payment_id
from recharge_timeline l
join recharge r using (account_id, recharge_id)
where l.account_id = %(account_id)s
"""


def stopwatches(account_id: int) -> list[Stopwatch]:
    """Return an account's last recharges, the newest first."""
    return rows(
        Stopwatch,
        f"{_STOPWATCHES} order by l.posted_at desc limit %(limit)s",
        {"account_id": account_id, "limit": STOPWATCHES_MAX},
    )


def stopwatch_of(account_id: int, *, provider: str, reference: str) -> Stopwatch | None:
    """Return the recharge that an order led to, if it was paid."""
    found = rows(
        Stopwatch,
        f"{_STOPWATCHES} and l.provider = %(provider)s and l.reference = %(reference)s limit 1",
        {"account_id": account_id, "provider": provider, "reference": reference},
    )
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRow:
    """What use has cost, with all that explains it (promise T3)."""

    charge_id: UUID
    is_explained: bool  # charges from before there were tariffs had one price, and no lines
    read_at: datetime
    from_wh: int
    to_wh: int
    tariff: str
    bill_before_minor: int
    bill_after_minor: int
    amount_minor: int

    @property
    def used_wh(self) -> int:
        """The energy that this charge is for."""
        return self.to_wh - self.from_wh


def charges(account_id: int) -> list[ChargeRow]:
    """Return an account's last charges, the newest first."""
    return rows(
        ChargeRow,
        """select c.charge_id, c.bill_start is not null as is_explained, c.read_at, c.from_wh, c.to_wh,
            coalesce(t.name, c.price_per_kwh::text) as tariff,
            c.bill_before_minor, c.bill_after_minor, c.amount_minor
        from charge c left join tariff t using (tariff_id)
        where c.account_id = %(account_id)s order by c.read_at desc, c.to_wh desc limit %(limit)s""",
        {"account_id": account_id, "limit": HISTORY_ROWS_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """What a day of an account has cost, by its site's clock."""

    day: date
    used_wh: int
    amount_minor: int
    is_explained: bool


def days(account_id: int) -> list[DayRow]:
    """Return what an account's last days have cost, the newest first; midnight is of the day before.

    A sticker's link alone shows nothing finer: hours would tell when somebody is at home. They are shown to a
    phone that has proved to be of whoever lives there (`living`).
    """
    return rows(
        DayRow,
        """select ((c.read_at - interval '1 microsecond') at time zone z.zone)::date as day,
            sum(c.to_wh - c.from_wh)::bigint as used_wh, sum(c.amount_minor)::bigint as amount_minor,
            bool_and(c.bill_start is not null) as is_explained
        from charge c join account a using (account_id) join site z using (site_id)
        where c.account_id = %(account_id)s group by 1 order by 1 desc limit %(limit)s""",
        {"account_id": account_id, "limit": DAYS_SHOWN_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRow:
    """What a meter said at an instant."""

    at: datetime
    balance_minor: int | None
    power_w: int | None


def readings(meter_id: int, *, since: datetime) -> list[ReadingRow]:
    """Return a meter's readings since its account began, the oldest first."""
    newest = rows(
        ReadingRow,
        """select at, balance_minor, power_w from reading
        where meter_id = %(meter_id)s and at >= %(since)s order by at desc limit %(limit)s""",
        {"meter_id": meter_id, "since": since, "limit": READINGS_DRAWN_MAX},
    )
    return newest[::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """Who changed what, why, from where."""

    at: datetime
    who: str
    what: str
    why: str
    origin: str
    before: str
    after: str


def audit(organisation_id: int, *, account_id: int) -> list[AuditRow]:
    """Return what people did to an account, the newest first."""
    return rows(
        AuditRow,
        """select at, who, what, why, origin, before, after from audit
        where organisation_id = %(organisation_id)s and subject = %(subject)s
        order by at desc limit %(limit)s""",
        {
            "organisation_id": organisation_id,
            "subject": f"account {account_id}",
            "limit": HISTORY_ROWS_MAX,
        },
    )


def was_done(organisation_id: int, act_id: UUID) -> bool:
    """Tell whether an act of a person, known by its id, is written down already."""
    return act(organisation_id, act_id) is not None


def act(organisation_id: int, act_id: UUID) -> AuditRow | None:
    """Return the audit row of an act, or None where it was not done."""
    found = rows(
        AuditRow,
        """select at, who, what, why, origin, before, after from audit
        where organisation_id = %(organisation_id)s and audit_id = %(act_id)s""",
        {"organisation_id": organisation_id, "act_id": act_id},
    )
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayPlace:
    """What a resident's page may show: the place and its balance now."""

    account_id: int
    organisation_id: int
    organisation: str
    site: str
    place: str
    zone: str
    currency: str
    opened_at: datetime
    balance_minor: int
    undelivered_minor: int
    relay: str | None
    wanted_reason: str
    heard_at: datetime | None


def pay_place(pay_token: UUID) -> PayPlace | None:
    """Return the open account behind a sticker, or None where nobody pays there now.

    The token is what its reader signs in with: from here on, the request is held to that organisation.
    """
    found = rows(
        PayPlace,
        """select a.account_id, a.organisation_id, o.name as organisation, z.name as site, p.name as place,
            z.zone, z.currency, a.opened_at,
            case when m.credit_authority = 'meter' then coalesce(t.balance_minor, s.delivered_minor)
                else s.delivered_minor end as balance_minor,
            s.undelivered_minor, t.relay, t.wanted_reason, t.heard_at
        from supply_point p
        join account a using (supply_point_id)
        join account_state s using (account_id)
        join site z on z.site_id = a.site_id
        join organisation o on o.organisation_id = a.organisation_id
        join installation i on i.account_id = a.account_id and i.ended_at is null
        join meter m on m.meter_id = i.meter_id
        join meter_state t on t.meter_id = m.meter_id
        where p.pay_token = %(pay_token)s and a.closed_at is null and a.kind = 'customer'""",
        {"pay_token": pay_token},
    )
    for place in found:
        walls.put_up(Wall(organisation_id=place.organisation_id))
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """An organisation's account at a payment provider."""

    provider: str
    kind: str


def provider_accounts(organisation_id: int) -> list[ProviderRow]:
    """Return the ways to pay that an organisation has."""
    return rows(
        ProviderRow,
        """select provider, kind from provider_account
        where organisation_id = %(organisation_id)s order by provider""",
        {"organisation_id": organisation_id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One order, as a page shows it."""

    account_id: int
    attempt_id: UUID
    provider: str
    reference: str
    amount_minor: int
    currency: str
    created_at: datetime
    expires_at: datetime
    state: str
    presented: str | None
    flow: str
    order_id: UUID | None


_ATTEMPTS = """
select account_id, attempt_id, provider, reference, amount_minor, currency, created_at, expires_at, state,
    presented, flow, order_id
from attempt where account_id = %(account_id)s
"""


def attempt(account_id: int, attempt_id: UUID) -> AttemptRow | None:
    """Return one order of an account, or None where it is no order of this account."""
    found = rows(
        AttemptRow,
        f"{_ATTEMPTS} and attempt_id = %(attempt_id)s",
        {"account_id": account_id, "attempt_id": attempt_id},
    )
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sticker:
    pay_token: UUID


def pay_token_of(attempt_id: UUID) -> UUID | None:
    """Return the sticker behind which an order was made that is paid on a provider's own page.

    Such an order's id is as hard to guess as the sticker; that of an app's or a biller's is made of numbers
    that they choose, and leads nowhere.
    """
    found = rows(
        _Sticker,
        """select p.pay_token from payment_reference r join account a using (account_id)
        join supply_point p using (supply_point_id)
        join attempt t on t.account_id = r.account_id and t.attempt_id = r.row_id
        join payment_order o on o.account_id = t.account_id and o.order_id = t.order_id
        where r.row_id = %(attempt_id)s and r.kind = 'order' and o.door = 'page'
            and t.flow in ('web', 'desktop')""",
        {"attempt_id": attempt_id},
    )
    return found[0].pay_token if found else None


def attempts_unpaid(account_id: int, *, since: timedelta, now: datetime) -> list[AttemptRow]:
    """Return the orders of the last while that nobody paid."""
    return rows(
        AttemptRow,
        f"{_ATTEMPTS} and state <> 'paid' and created_at >= %(since)s order by created_at",
        {"account_id": account_id, "since": now - since},
    )

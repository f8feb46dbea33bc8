"""The past, in PostgreSQL: each question is one statement, for all accounts that it is about."""

from collections.abc import Collection
from datetime import datetime

from compuerta.adapters.postgres.rows import Asked, Row, to_posting
from compuerta.domain.division import PartKind
from compuerta.domain.ledger import Posting, PostingKind
from compuerta.domain.party import AccountKind, CreditAuthority
from compuerta.drivers.abilities import Relay
from compuerta.services.dues_port import RechargeLine
from compuerta.services.freeze_port import Freeze, FreezeBasis
from compuerta.services.history_port import Charged, CodeSum, Fitted, Pending, Recharged, Tenancy
from compuerta.services.records import Reading, SupplyChange

_TENANCIES = """
select a.account_id, a.organisation_id, o.name as organisation, a.site_id, z.name as site, z.zone, z.currency,
    p.building, p.name as place, a.kind, a.name, a.opened_at, a.closed_at
from account a
join organisation o using (organisation_id)
join site z on z.site_id = a.site_id
join supply_point p using (supply_point_id)
where {} order by a.account_id
"""
# The last of each alone by the primary key; a meter that never tells its balance is looked at once a screen.
_LAST_TOLD = " union ".join(
    f"""(select * from reading where meter_id = %(meter_id)s and at <= %(at)s and {column} is not null
    order by at desc limit 1)"""
    for column in ("energy_wh", "balance_minor", "relay")
)
# A charge that came to nothing has no posting: it is as of its reading.
_CHARGED = """
select c.account_id, c.charge_id, coalesce(b.booked_at, c.read_at) as booked_at, c.read_at,
    c.to_wh - c.from_wh as used_wh, c.amount_minor, c.bill_start is not null as is_explained
from charge c
left join posting b on b.account_id = c.account_id and b.cause_id = c.charge_id and b.kind = 'charge'
"""
_RECHARGED = """
select r.account_id, r.recharge_id, coalesce(r.payment_id, r.adjustment_id) as grant_id,
    coalesce(p.provider, '') as provider,
    coalesce(p.reference, '') as reference, r.paid_minor, r.credit_minor, posted.at as booked_at,
    coalesce(paid.at, posted.at) as paid_at
from recharge r
join recharge_instant posted
    on (posted.account_id, posted.recharge_id, posted.instant) = (r.account_id, r.recharge_id, 'posted')
left join recharge_instant paid
    on (paid.account_id, paid.recharge_id, paid.instant) = (r.account_id, r.recharge_id, 'paid')
left join payment p on p.account_id = r.account_id and p.payment_id = r.payment_id
where r.account_id = %(account_id)s
"""


class PostgresHistories:
    """See `history_port.Histories`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def tenancy(self, account_id: int) -> Tenancy | None:
        found = self._tx.query(_TENANCIES.format("a.account_id = %(account_id)s"), {"account_id": account_id})
        return _tenancy(found[0]) if found else None

    def tenancies(self, site_ids: Collection[int], *, since: datetime, until: datetime) -> list[Tenancy]:
        found = self._tx.query(
            _TENANCIES.format(
                """a.site_id = any(%(site_ids)s) and a.opened_at < %(until)s
                and (a.closed_at is null or a.closed_at > %(since)s)"""
            ),
            {"site_ids": list(site_ids), "since": since, "until": until},
        )
        return [_tenancy(row) for row in found]

    def sites_of(self, organisation_id: int) -> list[int]:
        found = self._tx.query(
            "select distinct site_id from account where organisation_id = %(organisation_id)s order by 1",
            {"organisation_id": organisation_id},
        )
        return [row["site_id"] for row in found]

    def fitted(self, account_ids: Collection[int], *, since: datetime, until: datetime) -> list[Fitted]:
        found = self._tx.query(
            """select i.account_id, i.meter_id, m.meter_no, m.credit_authority, i.started_at, i.ended_at
            from installation i join meter m using (meter_id)
            where i.account_id = any(%(ids)s) and i.started_at < %(until)s
                and (i.ended_at is null or i.ended_at > %(since)s)
            order by i.account_id, i.started_at, i.meter_id""",
            {"ids": list(account_ids), "since": since, "until": until},
        )
        return [
            Fitted(**{**row, "credit_authority": CreditAuthority(row["credit_authority"])}) for row in found
        ]

    def sums(
        self, account_ids: Collection[int], *, since: datetime | None = None, until: datetime
    ) -> list[CodeSum]:
        found = self._tx.query(
            """select account_id, kind, code, sum(amount_minor)::bigint as amount_minor from posting_line
            where account_id = any(%(ids)s) and booked_at < %(until)s
                and (%(since)s::timestamptz is null or booked_at >= %(since)s)
            group by account_id, kind, code order by account_id, kind collate "C", code collate "C" """,
            {"ids": list(account_ids), "since": since, "until": until},
        )
        return [CodeSum(**{**row, "kind": PostingKind(row["kind"])}) for row in found]

    def postings(self, account_id: int, *, since: datetime, until: datetime) -> list[Posting]:
        found = self._tx.query(
            """select * from posting where account_id = %(account_id)s and booked_at >= %(since)s
                and booked_at < %(until)s order by booked_at, posting_id""",
            {"account_id": account_id, "since": since, "until": until},
        )
        return [to_posting(row) for row in found]

    def recharged(self, account_id: int, *, since: datetime, until: datetime) -> list[Recharged]:
        values = {"account_id": account_id, "since": since, "until": until}
        within = "posted.at >= %(since)s and posted.at < %(until)s"
        found = self._tx.query(f"{_RECHARGED} and {within} order by posted.at, r.recharge_id", values)
        lines = self._tx.query(
            """select * from recharge_line where account_id = %(account_id)s and recharge_id = any(%(ids)s)
            order by recharge_id, line_no""",
            {"account_id": account_id, "ids": [row["recharge_id"] for row in found]},
        )
        parts = [RechargeLine(**{**row, "kind": PartKind(row["kind"])}) for row in lines]
        return [
            Recharged(**row, lines=tuple(each for each in parts if each.recharge_id == row["recharge_id"]))
            for row in found
        ]

    def charged(self, account_id: int, *, since: datetime, until: datetime) -> list[Charged]:
        found = self._tx.query(
            f"""select * from ({_CHARGED} where c.account_id = %(account_id)s) as charged
            where booked_at >= %(since)s and booked_at < %(until)s order by read_at, booked_at, charge_id""",
            {"account_id": account_id, "since": since, "until": until},
        )
        return [Charged(**row) for row in found]

    def used(self, account_ids: Collection[int], *, since: datetime, until: datetime) -> dict[int, int]:
        found = self._tx.query(
            f"""select account_id, sum(used_wh)::bigint as used_wh
            from ({_CHARGED} where c.account_id = any(%(ids)s)) as charged
            where booked_at >= %(since)s and booked_at < %(until)s group by account_id""",
            {"ids": list(account_ids), "since": since, "until": until},
        )
        return {row["account_id"]: row["used_wh"] for row in found}

    def learnt_later(self, account_id: int, *, at: datetime) -> tuple[int, int]:
        found = self._tx.query(
            f"""select
                (select coalesce(sum(credit_minor), 0)::bigint from ({_RECHARGED}) as recharged
                    where paid_at <= %(at)s and booked_at > %(at)s) as recharged_minor,
                (select coalesce(-sum(amount_minor), 0)::bigint
                    from ({_CHARGED} where c.account_id = %(account_id)s) as charged
                    where read_at <= %(at)s and booked_at > %(at)s) as charged_minor""",
            {"account_id": account_id, "at": at},
        )
        return found[0]["recharged_minor"], found[0]["charged_minor"]

    def last_told(self, meter_id: int, *, at: datetime) -> list[Reading]:
        found = self._tx.query(f"{_LAST_TOLD} order by at desc", {"meter_id": meter_id, "at": at})
        return [_reading(row) for row in found]

    def decided(self, account_id: int, *, at: datetime) -> SupplyChange | None:
        found = self._tx.query(
            """select meter_id, account_id, at, closed, kept, reason, was_closed, was_reason, until, read_at
            from supply_change where account_id = %(account_id)s and at <= %(at)s
                and meter_id in (select meter_id from installation where account_id = %(account_id)s)
            order by at desc, change_no desc limit 1""",
            {"account_id": account_id, "at": at},
        )
        return SupplyChange(**found[0]) if found else None

    def pending(self, account_id: int, *, at: datetime) -> list[Pending]:
        found = self._tx.query(
            """select kind, created_at, ended_at, amount_minor, state from instruction
            where account_id = %(account_id)s and created_at <= %(at)s
                and (ended_at is null or ended_at > %(at)s)
                and meter_id in (select meter_id from installation where account_id = %(account_id)s)
            order by created_at, instruction_id""",
            {"account_id": account_id, "at": at},
        )
        return [Pending(**row) for row in found]

    def frozen(self, meter_id: int, *, at: datetime, known_by: datetime) -> Freeze | None:
        found = self._tx.query(
            """select * from meter_freeze
            where meter_id = %(meter_id)s and at <= %(at)s and known_at <= %(known_by)s
            order by day desc, version desc limit 1""",
            {"meter_id": meter_id, "at": at, "known_by": known_by},
        )
        return _freeze(found[0]) if found else None


def _tenancy(row: Row) -> Tenancy:
    return Tenancy(**{**row, "kind": AccountKind(row["kind"])})


def _reading(row: Row) -> Reading:
    rates_wh = row["rates_wh"]
    told = {
        "relay": None if row["relay"] is None else Relay(row["relay"]),
        "rates_wh": None if rates_wh is None else tuple(rates_wh),
    }
    return Reading(**{**row, **told})


def _freeze(row: Row) -> Freeze:
    rates_wh = row["rates_wh"]
    told = {"basis": FreezeBasis(row["basis"]), "rates_wh": None if rates_wh is None else tuple(rates_wh)}
    return Freeze(**{**row, **told})

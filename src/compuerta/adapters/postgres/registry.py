"""Who and what there is, in PostgreSQL: organisations, sites, roads, meters, accounts, providers."""

from typing import Any
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked
from compuerta.domain.money import minor_digits
from compuerta.domain.party import Bearer, Meter, RoadKind, require_meter_no, zone_of
from compuerta.services.records import AccountOpening, Endpoint, MeterEntry, ProviderAccount


def add_organisation(tx: Asked, name: str, *, live: bool) -> int:
    """Register an organisation."""
    return _one(
        tx,
        "insert into organisation (name, live) values (%(name)s, %(live)s) returning organisation_id",
        {"name": name, "live": live},
    )


def is_live(tx: Asked, organisation_id: int) -> bool:
    """Tell whether an organisation is paid with money that exists."""
    found = tx.query("select live from organisation where organisation_id = %(id)s", {"id": organisation_id})
    return bool(found) and bool(found[0]["live"])


def add_site(tx: Asked, *, organisation_id: int, name: str, zone: str, currency: str) -> int:
    """Register a site."""
    zone_of(zone)
    minor_digits(currency)
    return _one(
        tx,
        """insert into site (organisation_id, name, zone, currency)
        values (%(organisation_id)s, %(name)s, %(zone)s, %(currency)s) returning site_id""",
        {"organisation_id": organisation_id, "name": name, "zone": zone, "currency": currency},
    )


def add_meter(tx: Asked, entry: MeterEntry) -> int:
    """Register a meter, of which nothing is known yet."""
    require_meter_no(entry.meter_no)
    require_meter_no(entry.customer_no)
    kept = {
        **rows.columns(entry),
        "credit_authority": entry.credit_authority.value,
        "road": entry.road.value,
    }
    meter_id = _one(
        tx,
        """insert into meter
            (organisation_id, meter_no, model, credit_authority, customer_no, endpoint_id, road, unit_no)
        values (%(organisation_id)s, %(meter_no)s, %(model)s, %(credit_authority)s, %(customer_no)s,
            %(endpoint_id)s, %(road)s, %(unit_no)s)
        returning meter_id""",
        kept,
    )
    tx.run("insert into meter_state (meter_id) values (%(meter_id)s)", {"meter_id": meter_id})
    return meter_id


def add_account(tx: Asked, opening: AccountOpening) -> int:
    """Open an account, at a supply point that is made where there is none of the name."""
    told: dict[str, object] = {
        **rows.columns(opening),
        "kind": opening.kind.value,
        "persons": opening.terms.persons,
        "contracted_w": opening.terms.contracted_w,
        "billed_by": "intervals" if opening.by_intervals else "register",
    }
    told["supply_point_id"] = _one(
        tx,
        """insert into supply_point (site_id, building, floor, name, pay_token)
        values (%(site_id)s, %(building)s, %(floor)s, %(supply_point)s, %(pay_token)s)
        on conflict (site_id, building, name) where name <> '-' do update set floor = supply_point.floor
        returning supply_point_id""",
        told,
    )
    told["account_id"] = _one(
        tx,
        """insert into account
            (organisation_id, site_id, supply_point_id, kind, name, tariff_id, persons, contracted_w,
            opened_at, billed_by)
        select organisation_id, site_id, %(supply_point_id)s, %(kind)s, %(name)s, %(tariff_id)s, %(persons)s,
            %(contracted_w)s, %(opened_at)s, %(billed_by)s
        from site where site_id = %(site_id)s
        returning account_id""",
        told,
    )
    tx.run(
        "insert into account_state (account_id, register_wh) values (%(account_id)s, %(register_wh)s)", told
    )
    if opening.meter_id is not None:
        tx.run(
            """insert into installation (meter_id, account_id, started_at)
            values (%(meter_id)s, %(account_id)s, %(opened_at)s)""",
            told,
        )
    account_id = told["account_id"]
    assert isinstance(account_id, int)
    return account_id


def provider_account(tx: Asked, provider: str) -> ProviderAccount | None:
    """Return an account at a payment provider."""
    found = tx.query("select * from provider_account where provider = %(provider)s", {"provider": provider})
    return ProviderAccount(**found[0]) if found else None


def endpoints(tx: Asked) -> list[Endpoint]:
    """Return the ends of all roads."""
    found = tx.query("select * from endpoint order by endpoint_id", {})
    return [
        Endpoint(**{**row, "road": RoadKind(row["road"]), "bearer": Bearer(row["bearer"])}) for row in found
    ]


def meters(tx: Asked) -> list[Meter]:
    """Return all meters."""
    return [rows.to_meter(row) for row in tx.query("select * from meter order by meter_id", {})]


def zones(tx: Asked) -> dict[int, str]:
    """Return the time zone of each meter that measures for an account."""
    found = tx.query(
        """select i.meter_id, z.zone from installation i
        join account a using (account_id) join site z using (site_id) where i.ended_at is null""",
        {},
    )
    return {row["meter_id"]: row["zone"] for row in found}


def mark(tx: Asked) -> str:
    """Return what is another text when an end, a meter, a way or a zone is another than it was.

    To read ten thousand of them every few seconds would take a gateway longer than all that people pay.
    """
    (found,) = tx.query(
        """select coalesce(sum(hashtextextended(told, 0)), 0)::text as mark from (
            select 'end' || e::text from endpoint e
            union all select 'meter' || m::text from meter m
            union all select 'way' || w::text from meter_way w
            union all select 'zone' || i.meter_id || z.zone from installation i
            join account a using (account_id) join site z using (site_id) where i.ended_at is null
        ) as rows (told)""",
        {},
    )
    return str(found["mark"])


def account_by_token(tx: Asked, pay_token: UUID) -> int | None:
    """Return the open account of a pay page."""
    found = tx.query(
        """select a.account_id from account a join supply_point p using (supply_point_id)
        where p.pay_token = %(pay_token)s and a.closed_at is null""",
        {"pay_token": pay_token},
    )
    return found[0]["account_id"] if found else None


def accounts_of_meters(tx: Asked, meter_ids: list[int]) -> dict[int, int]:
    """Return the open account of each meter that has one."""
    found = tx.query(
        "select meter_id, account_id from installation where meter_id = any(%(ids)s) and ended_at is null",
        {"ids": meter_ids},
    )
    return {row["meter_id"]: row["account_id"] for row in found}


def _one(tx: Asked, statement: str, values: dict[str, Any]) -> int:
    (row,) = tx.query(statement, values)
    number: int = next(iter(row.values()))
    return number

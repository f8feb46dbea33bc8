"""Registering meters and accounts in memory."""

from dataclasses import replace

from compuerta.adapters.memory import occupancy
from compuerta.adapters.memory.tables import Tables, require
from compuerta.domain.party import BUYING, Account, Meter, Period
from compuerta.services.records import AccountOpening, Holdings, MeterEntry, MeterSnapshot


def add_meter(tables: Tables, entry: MeterEntry) -> int:
    """Register a meter, of which nothing is known yet."""
    require(entry.endpoint_id in tables.endpoints, "meter_endpoint_id_fkey")
    tables.take("meter_meter_no_key", entry.meter_no)
    meter_id = len(tables.meters) + 1
    tables.meters[meter_id] = Meter(
        meter_id=meter_id,
        organisation_id=entry.organisation_id,
        meter_no=entry.meter_no,
        model=entry.model,
        credit_authority=entry.credit_authority,
        customer_no=entry.customer_no,
        endpoint_id=entry.endpoint_id,
        road=entry.road,
        unit_no=entry.unit_no,
    )
    tables.snapshots[meter_id] = MeterSnapshot(meter_id=meter_id)
    return meter_id


def add_account(tables: Tables, opening: AccountOpening) -> int:
    """Open an account, and let its meter measure for it."""
    account = _account(tables, opening)
    account_id = account.account_id
    occupancy.settle_in(tables, account, floor=opening.floor)
    tables.holdings[account_id] = Holdings(account_id=account_id, register_wh=opening.register_wh)
    require((opening.kind in BUYING) == (opening.tariff_id is not None), "account_has_a_tariff")
    tables.terms[account_id] = opening.terms
    if opening.by_intervals:
        tables.by_intervals.add(account_id)
    if opening.meter_id is not None:
        occupancy.install(tables, opening.meter_id, account_id, at=opening.opened_at)
    return account_id


def _account(tables: Tables, opening: AccountOpening) -> Account:
    site = tables.sites[opening.site_id]
    account = Account(
        account_id=len(tables.accounts) + 1,
        organisation_id=site.organisation_id,
        site_id=site.site_id,
        kind=opening.kind,
        name=opening.name,
        supply_point=opening.supply_point,
        building=opening.building,
        currency=site.currency,
        zone=site.zone,
        tariff_id=opening.tariff_id,
        meter_id=opening.meter_id,
        pay_token=opening.pay_token,
        period=Period(start=opening.opened_at),
    )
    known = tables.supply_points.get(tables.place_of(account))
    return account if known is None else replace(account, pay_token=known.pay_token)

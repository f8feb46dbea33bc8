"""Accounts that begin and end, meters that are exchanged, in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from compuerta.adapters.memory.tables import NAMELESS, Tables, require
from compuerta.domain import instruction as life
from compuerta.domain.instruction import Instruction
from compuerta.domain.party import Account, Meter, Period
from compuerta.domain.payment import Attempt, AttemptState
from compuerta.services.occupancy_port import Adjustment, Move, SupplyPointRow
from compuerta.services.store_port import Conflict

_PAYABLE = frozenset({AttemptState.CREATED, AttemptState.PRESENTED})


class MemoryOccupancy:
    """See `occupancy_port.Occupancy`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def close_account(self, account_id: int, *, at: datetime) -> None:
        account = self._tables.accounts[account_id]
        require(account.period.end is None, "account is closed once")
        ended = Period(start=account.period.start, end=at)
        self._tables.accounts[account_id] = replace(account, period=ended, meter_id=None)
        self._tables.open_at.pop(self._tables.place_of(account), None)
        if account.meter_id is not None:
            self._end_installation(account.meter_id, at=at)

    def exchange_meter(self, account_id: int, *, old_meter_id: int, new_meter_id: int, at: datetime) -> None:
        self._end_installation(old_meter_id, at=at)
        install(self._tables, new_meter_id, account_id, at=at)
        account = self._tables.accounts[account_id]
        self._tables.accounts[account_id] = replace(account, meter_id=new_meter_id)

    def _end_installation(self, meter_id: int, *, at: datetime) -> None:
        del self._tables.account_of_meter[meter_id]
        self._tables.once_installed.add(meter_id)
        for key, (account_id, ended_at) in self._tables.installations.items():
            if key[0] == meter_id and ended_at is None:
                self._tables.installations[key] = account_id, at

    def meter_by_no(self, meter_no: str) -> Meter | None:
        return next((each for each in self._tables.meters.values() if each.meter_no == meter_no), None)

    def was_installed(self, meter_id: int) -> bool:
        return meter_id in self._tables.account_of_meter or meter_id in self._tables.once_installed

    def supply_points(self, site_id: int) -> list[SupplyPointRow]:
        found = [
            each
            for each in self._tables.supply_points.values()
            if each.site_id == site_id and each.name != NAMELESS
        ]
        return sorted(found, key=lambda each: (each.building, each.name))

    def site_of(self, *, organisation_id: int, site_id: int) -> str | None:
        site = self._tables.sites.get(site_id)
        return site.currency if site is not None and site.organisation_id == organisation_id else None

    def put_move(self, move: Move) -> None:
        require(move.why != "", "move_why_check")
        self._tables.take("move_pkey", move.organisation_id, move.move_id)
        self._tables.moves[move.organisation_id, move.move_id] = move

    def move(self, *, organisation_id: int, move_id: UUID) -> Move | None:
        return self._tables.moves.get((organisation_id, move_id))

    def put_adjustments(self, adjustments: Sequence[Adjustment]) -> None:
        for each in adjustments:
            require(each.amount_minor > 0, "adjustment_amount_minor_check")
            self._tables.take("adjustment_pkey", each.account_id, each.adjustment_id)
            self._tables.adjustments[each.adjustment_id] = each

    def codes_minor(self, account_id: int, codes: Iterable[str]) -> dict[str, int]:
        sums = dict.fromkeys(codes, 0)
        for posting in self._tables.postings.values():
            if posting.account_id == account_id:
                for line in posting.lines:
                    if line.code in sums:
                        sums[line.code] += line.amount_minor
        return sums

    def open_instructions(self, meter_id: int) -> list[Instruction]:
        found = [
            each
            for each in self._tables.instructions.values()
            if each.meter_id == meter_id and each.state in life.OPEN
        ]
        return sorted(found, key=lambda each: (each.created_at, each.purchase_no or 0, each.instruction_id))

    def open_attempts(self, account_id: int) -> list[Attempt]:
        found = [
            each
            for each in self._tables.attempts.values()
            if each.account_id == account_id and each.state in _PAYABLE
        ]
        return sorted(found, key=lambda each: each.attempt_id)


def settle_in(tables: Tables, account: Account, *, floor: int | None) -> None:
    """Enter an account at its supply point, which is made where there is none; it has one open account."""
    place = tables.place_of(account)
    if place in tables.open_at:
        raise Conflict(f"account_open: {place} exists")
    if place not in tables.supply_points:
        tables.take("supply_point_pay_token_key", account.pay_token)
        tables.place_of_token[account.pay_token] = place
        tables.supply_points[place] = SupplyPointRow(
            site_id=account.site_id,
            building=account.building,
            floor=floor,
            name=account.supply_point,
            pay_token=account.pay_token,
        )
    tables.open_at[place] = account.account_id
    tables.accounts[account.account_id] = account


def install(tables: Tables, meter_id: int, account_id: int, *, at: datetime) -> None:
    """Let a meter measure for an account; it measures for one at a time."""
    if meter_id in tables.account_of_meter:
        raise Conflict(f"installation_of_meter: {meter_id} exists")
    tables.account_of_meter[meter_id] = account_id
    tables.installations[meter_id, at] = account_id, None

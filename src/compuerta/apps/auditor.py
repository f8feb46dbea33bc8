"""The auditor: fetches providers' bills when they are ready, and holds them against our books.

It has a database connection and a thread of its own: a bill of a million lines takes half a minute, and no
payer waits for it. Several may run, in as many workers: bills are claimed, one at a time.
"""

import asyncio
from collections.abc import Mapping
from functools import partial

import httpx
import structlog

from compuerta.adapters.payments.http import converse
from compuerta.adapters.postgres import bulk_statements
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import poison, wiring
from compuerta.apps.desk import Desk
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import agreeing, fund_agreeing, statement_days, statement_sheet, tying
from compuerta.services.agreeing import Bill
from compuerta.services.fund_agreeing import FundBill
from compuerta.services.payment_ports import NotReady, PaymentProvider, StatementFaulty, StatementKind
from compuerta.services.statement_port import Statement
from compuerta.services.statement_sheet import SheetTooLong, TooDifferent

log = structlog.get_logger()

ROUND_S = 30.0  # a bill is of yesterday: nobody waits for it, but somebody may have asked for it again
BILLS_PER_ROUND_MAX = 20
FILE_S_MAX = 120.0


class Auditor:
    """This will see to the bills of all providers, for one process."""

    def __init__(self, desk: Desk, providers: Mapping[str, PaymentProvider]) -> None:
        """Take a desk that nobody else works at; it is shut when `run` ends."""
        self._desk = desk
        self._providers = providers

    async def run(self, client: httpx.AsyncClient) -> None:
        """Fetch and compare until cancelled."""
        try:
            while True:
                try:
                    await self.audit_round(client)
                except Unreachable as error:
                    log.warning("worker.database.away", error=str(error))
                except Exception as error:
                    await poison.told(self._desk, "a round of bills", error)
                await asyncio.sleep(ROUND_S)
        finally:
            await self._desk.shut()

    async def audit_round(self, client: httpx.AsyncClient) -> int:
        """See once to all that is due, within a bound; returns how many bills that were."""
        able = {name: provider.capabilities for name, provider in self._providers.items()}
        await self._desk.run(partial(statement_days.begin, providers=able, now=wiring.now()))
        for seen in range(BILLS_PER_ROUND_MAX):
            due = await self._desk.run(partial(statement_days.due, now=wiring.now(), limit=1))
            if not due:
                return seen
            await self._see_to(due[0], client)
        return BILLS_PER_ROUND_MAX

    async def _see_to(self, due: Statement, client: httpx.AsyncClient) -> None:
        provider = self._providers.get(due.provider)
        if provider is None:
            await self._put_off(due, zone="UTC", reason="not in providers.json")
            return
        zone = provider.capabilities.statement_zone
        try:
            # Of a day, the trade bill: the fund bill is held against it, line by line.
            trade = await self._fetch(provider, due, StatementKind.TRADE, client)
            if due.kind is StatementKind.TRADE:
                told = await self._desk.run(partial(_take, provider=provider, due=due, file=trade))
            else:
                file = await self._fetch(provider, due, due.kind, client)
                funds = partial(_take_funds, provider=provider, due=due, trade=trade, file=file)
                told = await self._desk.run(funds)
        except (StatementFaulty, SheetTooLong, TooDifferent) as error:
            log.warning("worker.bill.faulty", provider=due.provider, day=str(due.day), error=str(error))
            faulty = partial(statement_days.faulty, asked=due, reason=str(error), now=wiring.now())
            await self._desk.run(faulty)
        except NotReady as error:
            await self._put_off(due, zone=zone, reason=str(error))
        except (Unreachable, Refused) as error:
            log.info("worker.provider.silent", provider=due.provider, error=str(error))
            await self._put_off(due, zone=zone, reason=str(error))
        except Exception as error:
            await poison.told(self._desk, f"a bill of {due.provider}", error)
            await self._put_off(due, zone=zone, reason=f"broke: {type(error).__name__}")
        else:
            log.info(
                "worker.bill.taken", provider=due.provider, day=str(due.day), lines=told.lines,
                differing=told.differing,
            )  # fmt: skip

    async def _fetch(
        self, provider: PaymentProvider, due: Statement, kind: StatementKind, client: httpx.AsyncClient
    ) -> bytes:
        return await converse(
            provider.statement(due.day, kind, now=wiring.now(), chance=wiring.chance),
            client=client,
            base_url=wiring.base_url(due.provider),
            timeout_s=FILE_S_MAX,
        )

    async def _put_off(self, due: Statement, *, zone: str, reason: str) -> None:
        later = partial(statement_days.not_there, asked=due, zone=zone, reason=reason, now=wiring.now())
        await self._desk.run(later)


def _take(store: PostgresStore, *, provider: PaymentProvider, due: Statement, file: bytes) -> Statement:
    bill = Bill(
        statement=due,
        sheet=statement_sheet.written(provider.lines(file, due.kind)),
        scope=statement_days.scope_of(due, zone=provider.capabilities.statement_zone),
        payees=provider.capabilities.payees,
    )
    return agreeing.take(store, partial(bulk_statements.compare, store), bill, now=wiring.now())


def _take_funds(
    store: PostgresStore, *, provider: PaymentProvider, due: Statement, trade: bytes, file: bytes
) -> Statement:
    bill = FundBill(
        statement=due,
        trade=statement_sheet.written(provider.lines(trade, StatementKind.TRADE)),
        lines=provider.lines(file, StatementKind.FUND),
    )
    told = fund_agreeing.take(store, bill, now=wiring.now())
    tying.tie_known(store, organisation_id=due.organisation_id, now=wiring.now())
    return told

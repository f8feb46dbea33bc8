"""The door for billers: shops, banks and aggregators that take our money and call us.

A key belongs to the biller whose provider account has its name. A status of 400 and above, below 500, means
that nothing was done: the payer gets their money back. 500 and above, or no answer, means that nobody knows:
ask for the payment by its reference, or say it again; the reference makes it once, for ever.
"""

from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Request, status
from pydantic import BaseModel, ConfigDict, Field

from compuerta.adapters.payments.biller import Biller
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.api import buying, reading
from compuerta.apps.api.buying import Amount, MeterNo, Owed
from compuerta.apps.api.callers import Caller, acting, needs
from compuerta.apps.api.machines import NOT_FOUND, Machines, Problem
from compuerta.apps.api.supply import REFUSALS
from compuerta.domain.access import Right
from compuerta.domain.errors import Refused
from compuerta.services import collecting

Asker = Annotated[Caller, Depends(needs(Right.SEE))]
Collector = Annotated[Caller, Depends(needs(Right.SELL))]
_REFERENCE = "^[0-9A-Za-z._:-]{1,64}$"
Reference = Annotated[str, Path(pattern=_REFERENCE)]


class NotABiller(Refused):
    """A key that is no biller's."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the key {name!r} is no biller's: a biller's key has the name of its account here")
        self.name = name


class Validated(BaseModel):
    """A meter that can be paid for, as much of it as a counter may see."""

    meter_no: str
    name: str = Field(description="masked: enough to see that it is the right one")
    place: str
    currency: str
    owed: list[Owed]
    least_minor: int
    most_minor: int
    room_minor: int | None = Field(description="how much more credit the account may have; null = no limit")


class PaymentWish(BaseModel):
    """Money that a biller has taken; the reference is its own, and is never used for anything else."""

    model_config = ConfigDict(extra="forbid")

    reference: str = Field(pattern=_REFERENCE)
    meter_no: str = Field(pattern="^[0-9]{12}$")
    amount_minor: Amount
    currency: str = Field(pattern="^[A-Z]{3}$")


class ReversalWish(BaseModel):
    """Why a biller takes a payment back."""

    model_config = ConfigDict(extra="forbid")

    why: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")


class Collected(BaseModel):
    """A biller's payment as it stands."""

    reference: str
    state: Literal["paid", "reversed"]
    meter_no: str | None = Field(description="null: taken back before it came")
    amount_minor: int | None
    currency: str | None
    said_at: datetime
    credited_at: datetime | None = Field(description="when the meter had it")
    reversed_at: datetime | None


class Day(BaseModel):
    """What a biller owes us for a day, by the clock of its account's site."""

    day: date
    zone: str
    from_at: datetime
    until_at: datetime
    currency: str
    paid: int = Field(description="how many payments were taken on this day")
    paid_minor: int
    reversed: int = Field(description="how many were taken back on this day, whenever they were taken")
    reversed_minor: int
    net_minor: int


_MEANINGS: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": Problem, "description": "nothing was done: the detail says why"},
    503: {"model": Problem, "description": "unknown: ask for the payment, or say it again"},
}
_PAYMENT = """
select b.reference, case when b.reversed_at is null then 'paid' else 'reversed' end as state, m.meter_no,
    b.amount_minor, b.currency, b.said_at, b.reversed_at, (
        select i.at from recharge_instant i
        where i.account_id = r.account_id and i.recharge_id = r.recharge_id and i.instant = 'credited'
    ) as credited_at
from biller_payment b
left join payment p on p.account_id = b.account_id
    and p.provider = b.provider and p.transaction_no = b.reference
left join recharge r on r.account_id = p.account_id and r.payment_id = p.payment_id
left join meter m on m.meter_id = r.meter_id
where b.provider = %(provider)s and b.reference = %(reference)s and b.organisation_id = %(organisation_id)s
"""
_DAY = """
with hours as (
    select z.zone, z.currency, %(day)s::date::timestamp at time zone z.zone as from_at,
        (%(day)s::date + 1)::timestamp at time zone z.zone as until_at
    from provider_account p join account a on a.account_id = p.suspense_account_id
    join site z on z.site_id = a.site_id
    where p.provider = %(provider)s and p.organisation_id = %(organisation_id)s
)
select %(day)s::date as day, h.*, counted.* from hours h cross join lateral (
    select count(*) filter (where b.said_at >= h.from_at and b.said_at < h.until_at) as paid,
        coalesce(sum(b.amount_minor) filter (where b.said_at >= h.from_at and b.said_at < h.until_at), 0)
            ::bigint as paid_minor,
        count(*) filter (where b.reversed_at >= h.from_at and b.reversed_at < h.until_at) as reversed,
        coalesce(sum(b.amount_minor) filter (
            where b.reversed_at >= h.from_at and b.reversed_at < h.until_at), 0)::bigint as reversed_minor
    from biller_payment b
    -- A payment is taken back within a day, or not at all.
    where b.provider = %(provider)s and b.account_id is not null
        and b.said_at >= h.from_at - interval '1 day' and b.said_at < h.until_at
) counted
"""


def router_for(machines: Machines) -> APIRouter:
    """Return the routes for billers."""
    router = APIRouter(prefix="/api/v1/billers", tags=["billers"], responses=REFUSALS | _MEANINGS)
    _add_validating(router, machines)
    _add_paying(router, machines)
    _add_reversing(router, machines)
    return router


def _add_validating(router: APIRouter, machines: Machines) -> None:
    @router.get("/meters/{meter_no}", response_model=Validated, responses=NOT_FOUND)
    async def validate(asker: Asker, meter_no: MeterNo) -> Validated:
        """Look a meter up before taking money for it: whose it is, what is owed, how much is taken."""
        await _biller(machines, asker)
        found = await buying.payable(machines, asker, meter_no)
        return Validated(**found.model_dump(exclude={"ways", "account_id"}))

    @router.get("/days/{day}", response_model=Day)
    async def day_total(asker: Asker, day: date) -> reading.Row:
        """Tell a day's total, to agree on what you owe."""
        biller = await _biller(machines, asker)
        ids = {"provider": biller.name, "organisation_id": asker.organisation_id}
        row = await machines.one(_DAY, day=_within_reach(day), **ids)
        return {**row, "net_minor": row["paid_minor"] - row["reversed_minor"]}


def _add_paying(router: APIRouter, machines: Machines) -> None:
    @router.post("/payments", response_model=Collected)
    async def pay(asker: Collector, wish: PaymentWish, request: Request) -> reading.Row:
        """Pay for a meter; the same reference again answers with the same payment."""
        biller = await _biller(machines, asker)
        # Before the meter is looked at: since then it may have another tenant, or none.
        for said in await machines.ask(_PAYMENT, **_ids(asker, biller, wish.reference)):
            return _said_again(said, wish)
        row = await buying.payable_row(machines, asker, wish.meter_no)
        if row["currency"] != wish.currency:
            raise buying.CurrencyWrong(wish.currency, row["currency"])
        word = collecting.Word(
            provider=biller.name,
            reference=wish.reference,
            organisation_id=asker.organisation_id,
            account_id=row["account_id"],
            amount_minor=wish.amount_minor,
            currency=wish.currency,
        )
        actor = acting(asker, request, why="")

        def paid(store: PostgresStore) -> None:
            collecting.pay(store, word, capabilities=biller.capabilities, actor=actor, now=wiring.now())

        await machines.desk.run(paid)
        return await _payment(machines, asker, biller, wish.reference)

    @router.get("/payments/{reference}", response_model=Collected, responses=NOT_FOUND)
    async def read_payment(asker: Asker, reference: Reference) -> reading.Row:
        """Tell how a payment stands; 404 = never heard of, so nothing was done."""
        return await _payment(machines, asker, await _biller(machines, asker), reference)


def _add_reversing(router: APIRouter, machines: Machines) -> None:
    @router.post("/payments/{reference}/reverse", response_model=Collected)
    async def reverse(
        asker: Collector, reference: Reference, wish: ReversalWish, request: Request
    ) -> reading.Row:
        """Take a payment back, within its time and while the meter has not taken it; again is harmless.

        One that never came is refused when it comes.
        """
        biller = await _biller(machines, asker)
        reversal = collecting.Reversal(
            provider=biller.name,
            reference=reference,
            organisation_id=asker.organisation_id,
            within=biller.reverse_within,
        )
        actor = acting(asker, request, why=wish.why)
        await machines.desk.run(partial(collecting.reverse, reversal=reversal, actor=actor, now=wiring.now()))
        return await _payment(machines, asker, biller, reference)


async def _payment(machines: Machines, asker: Caller, biller: Biller, reference: str) -> reading.Row:
    return await machines.one(_PAYMENT, **_ids(asker, biller, reference))


def _ids(asker: Caller, biller: Biller, reference: str) -> dict[str, object]:
    return {
        "provider": biller.name,
        "reference": reference,
        "organisation_id": asker.organisation_id,
    }


def _said_again(said: reading.Row, wish: PaymentWish) -> reading.Row:
    """Answer a payment that is known as it stands; refuses another one under its reference."""
    if said["state"] == "reversed":
        raise collecting.TakenBack(wish.reference)
    # A meter that was exchanged is still the one that was paid for.
    wished = (wish.meter_no, wish.amount_minor, wish.currency)
    if (said["meter_no"] or wish.meter_no, said["amount_minor"], said["currency"]) != wished:
        raise collecting.ReferenceDiffers(wish.reference)
    return said


async def _biller(machines: Machines, asker: Caller) -> Biller:
    provider = machines.providers.get(asker.name)
    ours = {"organisation_id": asker.organisation_id, "provider": asker.name}
    if not isinstance(provider, Biller) or not await machines.ask(reading.PROVIDER, **ours):
        raise NotABiller(asker.name)
    return provider


def _within_reach(day: date) -> date:
    # Beyond these, the hours of a day would lie outside what a date can say.
    if not date(2000, 1, 1) <= day <= date(2999, 12, 31):
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, "day: from 2000-01-01 to 2999-12-31")
    return day

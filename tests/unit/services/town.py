"""A small town for tests: one organisation, one site, homes with a meter each, and rows made by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

from compuerta.adapters.models import load_models
from compuerta.domain.instruction import Instruction, Kind
from compuerta.domain.ledger import UNDELIVERED, Line, Posting, PostingKind, cash, transfer
from compuerta.domain.party import AccountKind, Bearer, CreditAuthority, RoadKind
from compuerta.domain.payment import Attempt, PaymentNotice
from compuerta.domain.supply import HoldKind
from compuerta.domain.tariff.components import Tariff
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.drivers.abilities import Ending, MeterState, Relay, Result
from compuerta.services import deliver, observe, ordering, tariffing, vend
from compuerta.services.payment_ports import Capabilities
from compuerta.services.records import (
    AccountOpening,
    AccountView,
    Basis,
    BillOpening,
    Charge,
    Claim,
    Endpoint,
    Hold,
    MeterEntry,
    Payment,
    PaymentVerdict,
    ProviderAccount,
    Recharge,
)
from compuerta.services.store_port import Store, Transaction
from compuerta.services.tariffing import Founders

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)  # in Shanghai
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
WECHAT = "wechat"
METER = CreditAuthority.METER
PLATFORM = CreditAuthority.PLATFORM
MODELS = load_models(Path("models"))
VENDOR = MODELS["dlt645-vendor-rs485"]
STANDARD = MODELS["dlt645-standard-4g"]
CAPABILITIES = Capabilities(
    currencies=frozenset({"CNY"}),
    notices=True,
    query=True,
    close=True,
    immediate=False,
    expiry_min=timedelta(minutes=1),
    expiry_max=timedelta(hours=2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A place with a meter and somebody who pays."""

    meter_id: int
    account_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """What stands in a store."""

    organisation_id: int
    site_id: int
    suspense_id: int
    tariff_id: int
    homes: tuple[Home, ...]


def an_id(name: str) -> UUID:
    """Return the id that goes by a name, the same in every run."""
    return uuid5(UUID(int=0), name)


def a_town(
    store: Store,
    *,
    authorities: Sequence[CreditAuthority] = (METER,),
    price_per_kwh: str = "0.5300",
    register_wh: int | None = 0,
    model: str = "dlt645-vendor-rs485",
    tariff: Tariff | None = None,
) -> Town:
    """Build one home per credit authority, and a provider account with its suspense."""
    with store.transaction() as tx:
        organisation_id = tx.add_organisation("Casa")
        site_id = tx.add_site(
            organisation_id=organisation_id, name="North", zone="Asia/Shanghai", currency="CNY"
        )
        tx.add_endpoint(
            Endpoint(
                endpoint_id="bus",
                organisation_id=organisation_id,
                road=RoadKind.RS485,
                bearer=Bearer.SERIAL,
                address="/dev/one",
                baud=2400,
            )
        )
        suspense_id = tx.add_account(
            an_opening(site_id, name="suspense", kind=AccountKind.SUSPENSE, meter_id=None)
        )
        tx.add_provider_account(
            ProviderAccount(
                provider=WECHAT,
                organisation_id=organisation_id,
                kind="wechat",
                suspense_account_id=suspense_id,
            )
        )
        tariff_id = a_tariff(tx, organisation_id, tariff or flat_tariff(price_per_kwh, currency="CNY"))
        homes = []
        for number, authority in enumerate(authorities, start=1):
            entry = a_meter_entry(organisation_id, number=number, authority=authority)
            meter_id = tx.add_meter(replace(entry, model=model))
            opening = an_opening(
                site_id,
                name=f"flat {number}",
                meter_id=meter_id,
                tariff_id=tariff_id,
                register_wh=register_wh,
            )
            homes.append(Home(meter_id=meter_id, account_id=tx.add_account(opening)))
    return Town(
        organisation_id=organisation_id,
        site_id=site_id,
        suspense_id=suspense_id,
        tariff_id=tariff_id,
        homes=tuple(homes),
    )


def a_tariff(tx: Transaction, organisation_id: int, tariff: Tariff) -> int:
    founders = Founders(drafted_by="manager", approved_by="owner")
    return tariffing.found(tx, tariff, organisation_id=organisation_id, founders=founders, now=NOON)


def a_meter_entry(organisation_id: int, *, number: int, authority: CreditAuthority = METER) -> MeterEntry:
    return MeterEntry(
        organisation_id=organisation_id,
        meter_no=f"{number:012d}",
        model="dlt645-vendor-rs485",
        credit_authority=authority,
        customer_no=f"{number:012d}",
        endpoint_id="bus",
        road=RoadKind.RS485,
    )


def an_opening(
    site_id: int,
    *,
    name: str,
    meter_id: int | None,
    kind: AccountKind = AccountKind.CUSTOMER,
    tariff_id: int | None = None,
    register_wh: int | None = 0,
    opened_at: datetime = NOON,
    by_intervals: bool = False,
) -> AccountOpening:
    return AccountOpening(
        site_id=site_id,
        kind=kind,
        name=name,
        supply_point=name,
        tariff_id=tariff_id,
        meter_id=meter_id,
        pay_token=an_id(f"token of {name}"),
        opened_at=opened_at,
        register_wh=register_wh,
        by_intervals=by_intervals,
    )


def the_view(store: Store, account_id: int, *, now: datetime = NOON) -> AccountView:
    """Return what the store knows of one account."""
    with store.transaction() as tx:
        return tx.lock_accounts([account_id], now=now)[account_id]


def an_attempt(account_id: int, *, reference: str = "order1", ask_at: datetime | None = NOON) -> Attempt:
    return Attempt(
        attempt_id=an_id(f"attempt {reference}"),
        account_id=account_id,
        provider=WECHAT,
        reference=reference,
        amount_minor=5_000,
        currency="CNY",
        description="flat 1",
        created_at=NOON,
        expires_at=NOON + HOUR,
        ask_at=ask_at,
    )


def a_notice(
    *,
    transaction_no: str = "t1",
    reference: str = "order1",
    amount_minor: int = 5_000,
    currency: str = "CNY",
    provider: str = WECHAT,
) -> PaymentNotice:
    return PaymentNotice(
        provider=provider,
        transaction_no=transaction_no,
        reference=reference,
        amount_minor=amount_minor,
        currency=currency,
        paid_at=NOON,
    )


def a_payment(account_id: int, *, transaction_no: str = "t1", amount_minor: int = 5_000) -> Payment:
    return Payment(
        account_id=account_id,
        payment_id=an_id(f"payment {transaction_no}"),
        provider=WECHAT,
        transaction_no=transaction_no,
        reference="order1",
        amount_minor=amount_minor,
        currency="CNY",
        paid_at=NOON,
        posted_at=NOON + SECOND,
        verdict=PaymentVerdict.CREDITED,
    )


def a_posting(
    account_id: int,
    *,
    name: str = "first",
    kind: PostingKind = PostingKind.RECHARGE,
    amount_minor: int = 5_000,
    lines: tuple[Line, ...] | None = None,
) -> Posting:
    return Posting(
        account_id=account_id,
        posting_id=an_id(f"posting {name}"),
        kind=kind,
        currency="CNY",
        lines=transfer(debit=cash(WECHAT), credit=UNDELIVERED, amount_minor=amount_minor)
        if lines is None
        else lines,
        booked_at=NOON,
        cause_id=an_id(f"cause {name}"),
    )


def a_reversal(posting: Posting) -> Posting:
    """Return the posting that undoes another, line by line, and names it."""
    return replace(
        posting,
        posting_id=an_id("undo"),
        kind=PostingKind.REVERSAL,
        lines=tuple(replace(line, amount_minor=-line.amount_minor) for line in posting.lines),
        cause_id=posting.posting_id,
        reverses=posting.posting_id,
    )


def a_recharge(home: Home, *, transaction_no: str = "t1", amount_minor: int = 5_000) -> Recharge:
    """Return the recharge of `a_payment`."""
    return Recharge(
        account_id=home.account_id,
        recharge_id=an_id(f"recharge {transaction_no}"),
        payment_id=an_id(f"payment {transaction_no}"),
        meter_id=home.meter_id,
        paid_minor=amount_minor,
        credit_minor=amount_minor,
    )


def a_charge(home: Home, *, from_wh: int = 0, to_wh: int = 1_000) -> Charge:
    return Charge(
        account_id=home.account_id,
        charge_id=an_id(f"charge {from_wh} {to_wh}"),
        meter_id=home.meter_id,
        read_at=NOON,
        from_wh=from_wh,
        to_wh=to_wh,
        bill_before_minor=0,
        bill_after_minor=53,
        bill_start=NOON,
        from_at=NOON,
        version=(1, 1),
        basis=Basis.READ,
    )


def a_bill(home: Home) -> BillOpening:
    return BillOpening(account_id=home.account_id, bill_start=NOON, tally=(1, 2, 3))


def a_delivery(home: Home, *, purchase_no: int = 1, created_at: datetime = NOON) -> Instruction:
    """Return the instruction that puts a recharge into a meter."""
    name = f"{home.meter_id} {purchase_no}"
    return Instruction(
        meter_id=home.meter_id,
        instruction_id=an_id(f"delivery {name}"),
        account_id=home.account_id,
        kind=Kind.RECHARGE,
        created_at=created_at,
        due_at=created_at,
        amount_minor=5_000,
        purchase_no=purchase_no,
        recharge_id=an_id(f"recharge of {name}"),
    )


def a_switch(home: Home, *, name: str = "cut", closed: bool = False, due_at: datetime = NOON) -> Instruction:
    """Return the instruction that opens or closes a relay."""
    return Instruction(
        meter_id=home.meter_id,
        instruction_id=an_id(f"switch {home.meter_id} {name}"),
        account_id=home.account_id,
        kind=Kind.SWITCH,
        created_at=due_at,
        due_at=due_at,
        relay_closed=closed,
        reason="out_of_credit",
    )


def a_hold(
    home: Home,
    *,
    name: str = "hold",
    kind: HoldKind = HoldKind.ADMINISTRATOR,
    start: datetime = NOON,
    end: datetime | None = None,
) -> Hold:
    return Hold(
        meter_id=home.meter_id,
        hold_id=an_id(name),
        kind=kind,
        owner="ana",
        note="works in the shaft",
        start=start,
        end=end,
    )


def ordered(
    store: Store, home: Home, *, reference: str = "order1", amount_minor: int = 5_000, now: datetime = NOON
) -> Attempt:
    """Place an order the way a till does."""
    order = ordering.Order(
        attempt_id=an_id(f"attempt {reference}"),
        account_id=home.account_id,
        provider=WECHAT,
        reference=reference,
        amount_minor=amount_minor,
    )
    return ordering.open_attempt(
        store, order, capabilities=CAPABILITIES, expires_in=timedelta(minutes=5), now=now
    )


def paid(
    store: Store, home: Home, *, name: str = "1", amount_minor: int = 5_000, now: datetime = NOON
) -> vend.Outcome:
    """Order, and let the provider say that it has the money."""
    ordered(store, home, reference=f"order{name}", amount_minor=amount_minor, now=now)
    notice = a_notice(transaction_no=f"t{name}", reference=f"order{name}", amount_minor=amount_minor)
    (outcome,) = vend.accept_payments(store, [notice], now=now)
    return outcome


def taken(store: Store, home: Home, *, now: datetime, owner: str = "gateway") -> Claim:
    """Claim the one instruction that is due for a home's meter."""
    (claim,) = deliver.claim(store, [home.meter_id], now=now, owner=owner)
    return claim


def concluded(
    store: Store,
    claim: Claim,
    *,
    ending: Ending,
    at: datetime,
    state: MeterState | None = None,
    reason: str = "",
) -> deliver.Concluded:
    """Conclude a claim with what a meter answered; a recharge that is done was read back."""
    counted = claim.instruction.kind in (Kind.RECHARGE, Kind.WITHDRAWAL)
    credited = ending is Ending.DONE and counted
    result = Result(ending=ending, state=state or MeterState(), reason=reason, credited=credited)
    (outcome,) = deliver.conclude(store, [deliver.Conclusion(claim=claim, result=result, at=at)], now=at)
    return outcome


def told(
    store: Store,
    home: Home,
    *,
    at: datetime,
    energy_wh: int | None = None,
    balance_minor: int | None = None,
    relay: Relay | None = None,
) -> None:
    """Let a meter say something of itself."""
    state = MeterState(energy_wh=energy_wh, balance_minor=balance_minor, relay=relay)
    observe.take_readings(store, [observe.MeterReport(meter_id=home.meter_id, at=at, state=state)], now=at)

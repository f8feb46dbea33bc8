"""A month in which everything happens that is ever booked, in two sites of two zones and two currencies."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from tests.unit.services.town import (
    METER,
    PLATFORM,
    Town,
    a_posting,
    a_reversal,
    a_tariff,
    a_town,
    an_opening,
)

from compuerta.adapters.memory import MemoryStore
from compuerta.domain import ledger
from compuerta.domain.ledger import PostingKind, cash, transfer
from compuerta.domain.party import AccountKind
from compuerta.domain.tariff.flat import flat_tariff
from compuerta.services.acting import Actor
from compuerta.services.records import ProviderAccount
from compuerta.services.store_port import Store

NOVEMBER = date(2026, 11, 1)
BEGIN = datetime(2026, 10, 31, 16, tzinfo=UTC)  # of November, in Shanghai
LATER = datetime(2026, 12, 3, tzinfo=UTC)
ANA = Actor(who="ana", why="the month", origin="console")
TILL = "counter 1"
Balances = dict[tuple[str, str], int]  # by code and currency

_MOVES: tuple[tuple[PostingKind, str, str], ...] = (
    (PostingKind.RECHARGE, cash("wechat"), ledger.UNDELIVERED),
    (PostingKind.RECHARGE, cash(TILL), ledger.UNDELIVERED),
    (PostingKind.RECHARGE, cash(f"{TILL}:card"), ledger.UNDELIVERED),
    (PostingKind.RECHARGE, cash("wechat"), ledger.FEE),
    (PostingKind.SUSPENSE, cash("wechat"), ledger.SUSPENSE),
    (PostingKind.DELIVERY, ledger.UNDELIVERED, ledger.DELIVERED),
    (PostingKind.CHARGE, ledger.DELIVERED, ledger.REVENUE_ENERGY),
    (PostingKind.CHARGE, ledger.DELIVERED, ledger.REVENUE_FIXED),
    (PostingKind.CHARGE, ledger.DELIVERED, ledger.REVENUE_DEMAND),
    (PostingKind.CHARGE, ledger.DELIVERED, ledger.REVENUE_MINIMUM),
    (PostingKind.CHARGE, ledger.DELIVERED, ledger.TAX),
    (PostingKind.CHARGE, ledger.DELIVERED, ledger.LEVY),
    (PostingKind.CHARGE, ledger.SUBSIDY, ledger.DELIVERED),
    (PostingKind.DEPOSIT, cash(TILL), ledger.DEPOSIT),
    (PostingKind.SETTLEMENT, ledger.OWED, ledger.DELIVERED),
    (PostingKind.SETTLEMENT, ledger.HOUSE, ledger.DELIVERED),
    (PostingKind.CARRIED, ledger.DELIVERED, ledger.MOVED),
    (PostingKind.CARRIED, ledger.MOVED, ledger.UNDELIVERED),
    (PostingKind.DEBT, ledger.DEBT, ledger.REVENUE_ENERGY),
    (PostingKind.WITHDRAWAL, ledger.DELIVERED, ledger.REFUNDING),
    (PostingKind.REFUND, ledger.REFUNDING, cash("wechat")),
    (PostingKind.PLACEMENT, ledger.SUSPENSE, ledger.UNDELIVERED),
    (PostingKind.DISPUTE, ledger.DEBT, cash("wechat")),
    (PostingKind.WRITE_OFF, ledger.WRITTEN_OFF, ledger.DEBT),
    (PostingKind.WRITE_OFF, ledger.GOODWILL, ledger.UNDELIVERED),
    (PostingKind.SHIFT, ledger.SAFE, cash(TILL)),
    (PostingKind.SHIFT, ledger.OVER_SHORT, cash(TILL)),
    (PostingKind.PROVIDER_FEE, ledger.PROVIDER_FEE, cash("wechat")),
    (PostingKind.PAYOUT, ledger.BANK, cash("wechat")),
)


def a_month(store: Store) -> Town:
    """Book each kind of event at least once before November and in it, some of them in another currency."""
    town = a_town(store, authorities=(PLATFORM, METER))
    with store.transaction() as tx:
        tx.add_provider_account(
            ProviderAccount(
                provider=TILL,
                organisation_id=town.organisation_id,
                kind="till",
                suspense_account_id=town.suspense_id,
            )
        )
        south = tx.add_site(
            organisation_id=town.organisation_id,
            name='(South); "2 | 3:4"',
            zone="America/Lima",
            currency="PEN",
        )
        tariff_id = a_tariff(tx, town.organisation_id, flat_tariff("0.5000", currency="PEN"))
        name = "=cmd|' /C calc'!A0"
        far = tx.add_account(
            an_opening(south, name=name, kind=AccountKind.CUSTOMER, meter_id=None, tariff_id=tariff_id)
        )
        homes = [*(home.account_id for home in town.homes), far]
        currencies = {home: "PEN" if home == far else "CNY" for home in homes}
        for home in homes:  # so that what is taken from an account later is there
            first = a_posting(home, name=f"first of {home}", amount_minor=500_000)
            tx.book([replace(first, booked_at=BEGIN - timedelta(days=3), currency=currencies[home])])
        for n, (kind, debit, credit) in enumerate(_MOVES * 2):
            home = homes[n % len(homes)]
            lines = transfer(debit=debit, credit=credit, amount_minor=1_000 + 37 * n)
            at = BEGIN + timedelta(hours=17 * n) if n < len(_MOVES) else BEGIN - timedelta(hours=n)
            event = a_posting(home, name=f"event {n}", kind=kind, lines=lines)
            tx.book([replace(event, booked_at=at, currency=currencies[home])])
        undone = replace(a_reversal(first), booked_at=BEGIN + timedelta(days=20), currency=currencies[far])
        tx.book([undone])
    return town


def balances_of(store: MemoryStore, *, until: datetime) -> Balances:
    """Return what the ledger has under each code, read from its postings by themselves."""
    found: Balances = defaultdict(int)
    for posting in store.tables.postings.values():
        if posting.booked_at < until:
            for line in posting.lines:
                found[line.code, posting.currency] += line.amount_minor
    return {key: minor for key, minor in found.items() if minor}


def kinds_booked(store: MemoryStore) -> set[PostingKind]:
    return {posting.kind for posting in store.tables.postings.values()}

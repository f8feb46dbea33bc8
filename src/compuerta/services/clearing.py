"""Clearing accounts told as banks tell of accounts: camt.053 of what a provider, or a till, holds for us.

Whoever keeps the books elsewhere ties the provider's account to this file as they tie a bank account to the
bank's. It is of days that are over, by the clock of the site that the account belongs to, and of rows that
are never changed: made again, it is the same to the byte.
"""

from datetime import UTC, date, datetime
from typing import Final

from compuerta.domain.errors import Refused
from compuerta.domain.ledger import BANK, PostingKind, cash
from compuerta.services.clearing_port import Movement, Span
from compuerta.services.day_end import bounds_of
from compuerta.services.records import AccountView, ProviderAccount
from compuerta.services.store_port import Store
from compuerta.wire.camt053.writing import Entry, Sort, Statement, statement_document

# A file that programs still open, and a day of the largest account.
MOVEMENTS_MAX: Final = 200_000

_CAME: Final = Sort(domain="PMNT", family="RCDT", sub_family="OTHR")  # received credit transfers
_WENT: Final = Sort(domain="PMNT", family="ICDT", sub_family="OTHR")  # issued credit transfers
_PUT_IN: Final = Sort(domain="PMNT", family="CNTR", sub_family="CDPT")  # at the counter: cash deposit
_TAKEN_OUT: Final = Sort(domain="PMNT", family="CNTR", sub_family="CWDL")
_FEE: Final = Sort(domain="PMNT", family="MDOP", sub_family="COMM")  # commission
_PAID_OUT: Final = Sort(domain="CAMT", family="ACCB", sub_family="SWEP")  # swept to the bank account
_OTHER_IN: Final = Sort(domain="PMNT", family="MCOP", sub_family="OTHR")
_OTHER_OUT: Final = Sort(domain="PMNT", family="MDOP", sub_family="OTHR")
_COME_OR_GO: Final = frozenset(
    {PostingKind.RECHARGE, PostingKind.SUSPENSE, PostingKind.REFUND, PostingKind.PLACEMENT}
)


class ProviderUnknown(Refused):
    """There is no such provider account, or till."""

    def __init__(self, provider: str) -> None:
        super().__init__(
            f"there is no provider account or till {provider!r}; `compuerta providers` lists them"
        )
        self.provider = provider


class DaysNotOver(Refused):
    """Days that go on have no closing balance yet."""

    def __init__(self, last_day: date, *, ends_at: datetime) -> None:
        ends = ends_at.astimezone(UTC).isoformat(timespec="minutes")
        super().__init__(f"{last_day} ends at {ends}: ask again after that, or for an earlier day")
        self.last_day = last_day


class TooMuchForOneFile(Refused):
    """More movements than one file has."""

    def __init__(self, code: str) -> None:
        super().__init__(
            f"{code} has more than {MOVEMENTS_MAX} movements in these days: ask for them one by one"
        )
        self.code = code


def camt053(store: Store, provider: str, *, first_day: date, last_day: date, now: datetime) -> bytes:
    """Return the statement of a clearing account for whole days; one of many currencies has one for each.

    What a till holds besides cash is `<till>:<kind>`. Refuses days that are not over.
    """
    with store.transaction() as tx:
        account = tx.provider_account(provider.partition(":")[0])
        if account is None:
            raise ProviderUnknown(provider)
        view = tx.look_at([account.suspense_account_id], now=now)[account.suspense_account_id]
        span = _span(view, account, cash(provider), days=(first_day, last_day), now=now)
        held = tx.clearing.held_minor(span)
        movements = tx.clearing.movements(span, limit=MOVEMENTS_MAX + 1)
        owner = tx.exports.organisation_name(account.organisation_id)
    if len(movements) > MOVEMENTS_MAX:
        raise TooMuchForOneFile(span.code)
    currencies = {view.account.currency, *held, *(each.currency for each in movements)}
    name = f"{provider} {first_day:%Y%m%d}-{last_day:%Y%m%d}"
    statements = []
    for currency in sorted(currencies):
        own = [each for each in movements if each.currency == currency]
        opening_minor = held.get(currency, 0)
        statements.append(
            Statement(
                statement_id=f"{first_day:%Y%m%d}-{last_day:%Y%m%d} {currency} {provider}",
                account=provider,
                owner=owner,
                currency=currency,
                since=span.since,
                until=span.until,
                first_day=first_day,
                last_day=last_day,
                opening_minor=opening_minor,
                closing_minor=opening_minor + sum(each.amount_minor for each in own),
                entries=[_entry(each, is_till=account.kind == "till") for each in own],
            )
        )
    return statement_document(name, statements, made_at=span.until)


def _span(
    view: AccountView, account: ProviderAccount, code: str, *, days: tuple[date, date], now: datetime
) -> Span:
    first_day, last_day = days
    since, _ = bounds_of(first_day, zone=view.account.zone)
    _, until = bounds_of(last_day, zone=view.account.zone)
    if until > now:
        raise DaysNotOver(last_day, ends_at=until)
    return Span(organisation_id=account.organisation_id, code=code, since=since, until=until)


def _entry(moved: Movement, *, is_till: bool) -> Entry:
    return Entry(
        reference=moved.posting_id.hex,
        amount_minor=moved.amount_minor,
        booked_at=moved.booked_at,
        valued_at=moved.valued_at,
        sort=_sort(moved, is_till=is_till),
        own_sort=moved.kind.value,
        servicer_reference=moved.transaction_no,
        order=moved.refund_reference or moved.reference,
        note=f"account {moved.account_id}",
        is_reversal=moved.kind is PostingKind.REVERSAL,
    )


def _sort(moved: Movement, *, is_till: bool) -> Sort:
    comes = moved.amount_minor > 0
    if moved.kind is PostingKind.PROVIDER_FEE:
        return _FEE
    if BANK in moved.codes:
        return _PAID_OUT
    if is_till:
        return _PUT_IN if comes else _TAKEN_OUT
    if moved.kind in _COME_OR_GO:
        return _CAME if comes else _WENT
    return _OTHER_IN if comes else _OTHER_OUT

"""Receipting: what is handed out for a recharge, made anew from its rows each time.

A receipt says what the books say now: that a credit has arrived since, or that the money went back. What is
kept of it is its number, its token, how often it was printed, and what energy cost when it was handed out.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from compuerta.domain.division import PartKind
from compuerta.domain.errors import Refused
from compuerta.domain.party import Account, zone_of
from compuerta.domain.tariff.civil import to_us
from compuerta.services import partnering, quoting
from compuerta.services.dues_port import RechargeLine
from compuerta.services.receipt_port import HandedOut, Sold
from compuerta.services.records import AccountView, Instant, Recharge
from compuerta.services.shift_port import TillSale, receipt_number
from compuerta.services.store_port import Store, Transaction

# What money buys is reckoned by the bill that is open now: later than this, it is another one.
PRICED_WITHIN: Final = timedelta(hours=1)
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # none that is taken for another
_LETTERS_SHOWN: Final = 10  # fifty bits: two receipts of a day are not taken for each other


class ReceiptUnknown(Refused):
    """There is no such recharge, or nothing of it may be told."""

    def __init__(self) -> None:
        super().__init__("there is no receipt here; look at the recharge's number again")


class Standing(Enum):
    """What has become of the money of a receipt."""

    ON_ITS_WAY = "on_its_way"
    CREDITED = "credited"
    VOIDED = "voided"  # the credit was taken back: at the till, or because it was another meter's
    REFUNDED = "refunded"  # some of it, or all


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A recharge with its place, and what was handed out for it, if anything was."""

    sold: Sold
    account: Account
    lines: tuple[RechargeLine, ...]  # they add up to what was paid (promise M3)
    sale: TillSale | None  # where a till sold it
    tariff: str
    handed_out: HandedOut | None = None

    @property
    def standing(self) -> Standing:
        """What has become of the money."""
        if self.sold.undone or (self.sale is not None and self.sale.voided_at is not None):
            return Standing.VOIDED
        if self.sold.refunded_minor:
            return Standing.REFUNDED
        return Standing.CREDITED if Instant.CREDITED in self.sold.instants else Standing.ON_ITS_WAY

    @property
    def at(self) -> datetime:
        """When it was paid; where nobody paid, when it was booked."""
        instants = self.sold.instants
        return instants.get(Instant.PAID) or instants[Instant.POSTED]

    @property
    def number(self) -> str:
        """What it is called by: the till's own number; elsewhere the day and the recharge's name.

        A counter per provider would be a row that every payment waits for. Only tills' numbers have no gaps.
        """
        if self.handed_out is not None:
            return self.handed_out.number
        if self.sale is not None and self.sale.receipt_no is not None:
            return receipt_number(self.sale.provider, self.sale.receipt_no)
        rest, letters = self.sold.recharge.recharge_id.int >> (128 - 5 * _LETTERS_SHOWN), ""
        for _ in range(_LETTERS_SHOWN):
            rest, letter = divmod(rest, len(_LETTERS))
            letters = _LETTERS[letter] + letters
        day = self.at.astimezone(zone_of(self.account.zone))
        return f"{day:%y%m%d}-{letters[:5]}-{letters[5:]}"

    @property
    def copy_no(self) -> int:
        """Which copy the last print was; 0 = the first print, or none."""
        return 0 if self.handed_out is None else max(self.handed_out.prints - 1, 0)


def hand_out(store: Store, *, account_id: int, recharge_id: UUID, token: UUID, now: datetime) -> Receipt:
    """Return the receipt of a recharge with its token, written once: a second hand-out has the first's.

    The token is chance of the caller's. Raises `ReceiptUnknown`.
    """
    with store.transaction() as tx:
        return _handed_out(tx, account_id, recharge_id, token=token, now=now)


def print_out(store: Store, *, account_id: int, recharge_id: UUID, token: UUID, now: datetime) -> Receipt:
    """Hand a receipt out on paper, and count it: from the second on it is a copy."""
    with store.transaction() as tx:
        receipt = _handed_out(tx, account_id, recharge_id, token=token, now=now)
        assert receipt.handed_out is not None
        counted = replace(receipt.handed_out, prints=receipt.handed_out.prints + 1)
        tx.receipts.count_print(counted)
        return replace(receipt, handed_out=counted)


def genuine(store: Store, token: UUID, *, now: datetime) -> Receipt | None:
    """Return the receipt that a token leads to; None where no such receipt was handed out."""
    with store.transaction() as tx:
        handed_out = tx.receipts.by_token(token)
        if handed_out is None:
            return None
        return _receipt(tx, handed_out.account_id, handed_out.recharge_id, now=now)


def recharge_of(store: Store, *, account_id: int, provider: str, reference: str) -> UUID | None:
    """Return the recharge that an order led to, if it did."""
    with store.transaction() as tx:
        return tx.receipts.recharge_of(account_id, provider=provider, reference=reference)


def _receipt(tx: Transaction, account_id: int, recharge_id: UUID, *, now: datetime) -> Receipt | None:
    sold = tx.receipts.sold(account_id, recharge_id)
    view = tx.look_at([account_id], now=now).get(account_id)
    if sold is None or view is None:
        return None
    return Receipt(
        sold=sold,
        account=view.account,
        lines=tuple(tx.dues.lines(account_id, recharge_id)) or _sums(sold.recharge),
        sale=None if sold.attempt_id is None else tx.shifts.sale(account_id, sold.attempt_id),
        tariff=_tariff(view, at=sold.instants[Instant.POSTED]),
        handed_out=tx.receipts.handed_out(account_id, recharge_id),
    )


def _sums(recharge: Recharge) -> tuple[RechargeLine, ...]:
    """Return the parts of a recharge by its own sums: those from before there were lines have no others."""
    sums_minor = {
        PartKind.FEE: recharge.fee_minor,
        PartKind.TAX: recharge.tax_minor,
        PartKind.FIXED: recharge.fixed_minor,
        PartKind.DEBT: recharge.debt_minor,
        PartKind.ENERGY: recharge.credit_minor,
        PartKind.CHANGE: recharge.change_minor,
    }
    return tuple(
        RechargeLine(
            account_id=recharge.account_id,
            recharge_id=recharge.recharge_id,
            line_no=line_no,
            kind=kind,
            amount_minor=sums_minor[kind],
        )
        for line_no, kind in enumerate((each for each in sums_minor if sums_minor[each]), start=1)
    )


def _handed_out(
    tx: Transaction, account_id: int, recharge_id: UUID, *, token: UUID, now: datetime
) -> Receipt:
    receipt = _receipt(tx, account_id, recharge_id, now=now)
    if receipt is None:
        raise ReceiptUnknown
    if receipt.handed_out is not None:
        return receipt
    handed_out = HandedOut(
        account_id=account_id,
        recharge_id=recharge_id,
        token=token,
        number=receipt.number,
        issued_at=now,
        bought_wh=_bought_wh(tx, receipt, now=now),
    )
    tx.receipts.put(handed_out)
    partnering.tell_receipt(tx, account_id, recharge_id, now=now)
    return replace(receipt, handed_out=handed_out)


def _tariff(view: AccountView, *, at: datetime) -> str:
    if view.schedule is None:
        return ""
    return view.schedule.version_at(to_us(max(at, view.account.period.start))).tariff.name


def _bought_wh(tx: Transaction, receipt: Receipt, *, now: datetime) -> int | None:
    view = tx.look_at([receipt.account.account_id], now=now)[receipt.account.account_id]
    if view.schedule is None or now - receipt.at > PRICED_WITHIN:
        return None
    energy_minor = sum(each.amount_minor for each in receipt.lines if each.kind is PartKind.ENERGY)
    return quoting.energy_bought(view, energy_minor, now=now)

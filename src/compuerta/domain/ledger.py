"""The ledger: postings that sum to zero, kept for ever.

A posting belongs to one account and one currency and is written once: a mistake is put right by a posting
that names it (`reverses`). Amounts are debit-positive. The codes of the general ledger used so far:

    cash:<provider>   what a provider, or a till, holds for us                      asset
    undelivered       paid, and not yet where the credit authority can use it       liability
    delivered         credit in force: in the meter, or in the platform             liability
    suspense          money that came and cannot be placed yet                      liability
    revenue:energy    energy used                                                   income
    revenue:fixed     standing charges, revenue:demand, revenue:minimum alike        income
    fee               the manager's own surcharge, never inside the price of a kWh  income
    tax, levy         collected for the state                                       liability
    subsidy           taken off the bill, and owed to us by whoever grants it       asset
    deposit           what a tenant has left as security                            liability
    owed              what a former tenant has not paid                             asset
    house             the landlord's own credit, taken over and handed on           equity
    moved             credit on its way from account to account; sums to zero       clearing
    debt              what an account owes from before; recharges recover it        asset
    refunding         credit taken back, on its way to its payer                    liability
    safe              cash that left a drawer, or waits to go into one              asset
    bank              what lies at the organisation's own banks                     asset
    over_short        what a drawer had more or less than it should                 expense
    provider_fee      what providers keep of payments                               expense
    written_off       debts that nobody will pay                                    expense
    goodwill          credit that was given                                         expense

Checks are batch-first: each posting gets a named outcome, and one bad posting does not spoil its neighbours.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

UNDELIVERED = "undelivered"
DELIVERED = "delivered"
SUSPENSE = "suspense"
REVENUE_ENERGY = "revenue:energy"
REVENUE_FIXED = "revenue:fixed"
REVENUE_DEMAND = "revenue:demand"
REVENUE_MINIMUM = "revenue:minimum"
FEE = "fee"
TAX = "tax"
LEVY = "levy"
SUBSIDY = "subsidy"
DEPOSIT = "deposit"
OWED = "owed"
HOUSE = "house"
MOVED = "moved"
DEBT = "debt"
REFUNDING = "refunding"
SAFE = "safe"
BANK = "bank"
OVER_SHORT = "over_short"
PROVIDER_FEE = "provider_fee"
WRITTEN_OFF = "written_off"
GOODWILL = "goodwill"
_PREFIX_CASH = "cash:"
# What is earned, in the state's name too, and what others grant of it: what an invoice is made of.
INCOME = frozenset({REVENUE_ENERGY, REVENUE_FIXED, REVENUE_DEMAND, REVENUE_MINIMUM, FEE, TAX, LEVY, SUBSIDY})
_MOVING_CODES = {DEPOSIT, OWED, HOUSE, MOVED}
_PAYING_CODES = {DEBT, REFUNDING, SAFE, BANK, OVER_SHORT, PROVIDER_FEE, WRITTEN_OFF, GOODWILL}
_FIXED_CODES = frozenset({UNDELIVERED, DELIVERED, SUSPENSE} | INCOME | _MOVING_CODES | _PAYING_CODES)
# A posting explains one event; what needs more lines than this is several events.
LINES_MAX = 32


class PostingKind(Enum):
    """Which event a posting tells of."""

    RECHARGE = "recharge"  # money came and is owed as credit
    SUSPENSE = "suspense"  # money came and cannot be placed
    DELIVERY = "delivery"  # credit reached the credit authority
    CHARGE = "charge"  # energy was used
    REVERSAL = "reversal"  # undoes the posting that it names
    DEPOSIT = "deposit"  # a security was left, or given back
    SETTLEMENT = "settlement"  # an account begins or ends: what is taken over, paid out, or still owed
    CARRIED = "carried"  # credit of a meter that was exchanged waits for the new one
    DEBT = "debt"  # something is owed from before
    WITHDRAWAL = "withdrawal"  # credit came back from the credit authority
    REFUND = "refund"  # money went back to its payer
    PLACEMENT = "placement"  # money that could not be placed has found its account, or its way back
    DISPUTE = "dispute"  # the payer's bank took money back, or gave it up
    WRITE_OFF = "write_off"  # a debt that nobody will pay
    SHIFT = "shift"  # cash in and out of a drawer without a sale, and what its count differs by
    PROVIDER_FEE = "provider_fee"  # what a provider kept, by its bill
    PAYOUT = "payout"  # money of ours that a provider, or our safe, sent to our bank


class Outcome(Enum):
    """What became of a posting, by descending precedence."""

    EMPTY = "empty"
    TOO_MANY_LINES = "too_many_lines"
    LINE_ZERO = "line_zero"
    CODE_UNKNOWN = "code_unknown"
    UNBALANCED = "unbalanced"
    EXISTS_DIFFERENT = "exists_different"
    EXISTS = "exists"
    CREATED = "created"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One side of a posting; debit is positive."""

    code: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One event in money, on one account, in one currency."""

    account_id: int
    posting_id: UUID  # made by the caller from what happened, so that repeating is harmless
    kind: PostingKind
    currency: str
    lines: tuple[Line, ...]
    booked_at: datetime
    cause_id: UUID  # the payment, recharge, charge or posting that it tells of
    reverses: UUID | None = None


def cash(provider: str) -> str:
    """Return the code of the money that a provider account, or a till, holds for us."""
    return f"{_PREFIX_CASH}{provider}"


def transfer(*, debit: str, credit: str, amount_minor: int) -> tuple[Line, Line]:
    """Return the two lines that take an amount from `credit` and bring it to `debit`."""
    return Line(code=debit, amount_minor=amount_minor), Line(code=credit, amount_minor=-amount_minor)


def is_code(code: str) -> bool:
    """Tell whether a code is one of the general ledger's."""
    return code in _FIXED_CODES or (code.startswith(_PREFIX_CASH) and len(code) > len(_PREFIX_CASH))


def judge(posting: Posting, *, known: Posting | None) -> Outcome:
    """Judge one posting against the one of the same id that is already there, if any. Writes nothing."""
    refusal = _refusal(posting.lines)
    if refusal is not None:
        return refusal
    if known is None:
        return Outcome.CREATED
    same = _meaning(known) == _meaning(posting)
    return Outcome.EXISTS if same else Outcome.EXISTS_DIFFERENT


def judge_all(postings: Iterable[Posting], *, known: Mapping[UUID, Posting]) -> list[tuple[Posting, Outcome]]:
    """Judge a batch in order; a posting that is twice in the batch is judged against its first occurrence."""
    seen = dict(known)
    judged = []
    for posting in postings:
        outcome = judge(posting, known=seen.get(posting.posting_id))
        if outcome is Outcome.CREATED:
            seen[posting.posting_id] = posting
        judged.append((posting, outcome))
    return judged


def liability_minor(posting: Posting, *, code: str) -> int:
    """Return by how much a posting raises what we owe under a code (credit positive)."""
    return -sum(line.amount_minor for line in posting.lines if line.code == code)


def _refusal(lines: tuple[Line, ...]) -> Outcome | None:
    if not lines:
        return Outcome.EMPTY
    if len(lines) > LINES_MAX:
        return Outcome.TOO_MANY_LINES
    if any(line.amount_minor == 0 for line in lines):
        return Outcome.LINE_ZERO
    if not all(is_code(line.code) for line in lines):
        return Outcome.CODE_UNKNOWN
    if sum(line.amount_minor for line in lines) != 0:
        return Outcome.UNBALANCED
    return None


def _meaning(posting: Posting) -> tuple[object, ...]:
    # The instant of booking may differ between two tries of the same event; all else may not.
    return (
        posting.account_id,
        posting.kind,
        posting.currency,
        posting.lines,
        posting.cause_id,
        posting.reverses,
    )

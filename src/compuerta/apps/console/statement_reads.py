"""What the screen of statements reads: providers' bills, and what of them somebody has to look at."""

from dataclasses import dataclass
from datetime import date, datetime

from django.utils.functional import Promise

from compuerta.apps.console import statement_words
from compuerta.apps.console.reads import rows
from compuerta.domain.money import minor_digits
from compuerta.services.payment_ports import StatementKind

BILLS_SHOWN_MAX = 60
DIFFERENCES_SHOWN_MAX = 200
ENDED_SHOWN_MAX = 30
_MICRO_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class BillRow:
    """A provider's bill of a day, and how it agrees."""

    provider: str
    day: date
    kind: str
    state: str
    reason: str
    ask_at: datetime | None
    fetched_at: datetime | None
    currency: str
    lines: int
    matched: int
    differing: int
    gross_minor: int
    refunded_minor: int
    fee_micro: int
    fee_minor: int
    opening_minor: int | None
    closing_minor: int | None
    paid_out_minor: int
    is_open: int

    @property
    def is_fund(self) -> bool:
        """Whether it is of what moved in the account."""
        return self.kind == StatementKind.FUND.value

    @property
    def net_minor(self) -> int:
        """What is left of the day, by what is booked; of a fund bill, what moved but for payouts."""
        if self.opening_minor is not None and self.closing_minor is not None:
            return self.closing_minor - self.opening_minor + self.paid_out_minor
        return self.gross_minor - self.refunded_minor - self.fee_minor

    @property
    def fee_exact(self) -> str:
        """The fee as the bill says it, where it is finer than money is booked; "" where it is not."""
        digits = minor_digits(self.currency)
        if self.fee_micro == self.fee_minor * 10 ** (_MICRO_DIGITS - digits):
            return ""
        major, micro = divmod(abs(self.fee_micro), 10**_MICRO_DIGITS)
        sign = "-" if self.fee_micro < 0 else ""
        return f"{sign}{major}.{micro:06d}".rstrip("0").rstrip(".")

    @property
    def told(self) -> Promise:
        """How it stands, in words."""
        return statement_words.STATES[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceRow:
    """A line that does not agree."""

    provider: str
    day: date
    kind: str
    difference_no: int
    what: str
    transaction_no: str
    reference: str
    refund_reference: str
    theirs_minor: int | None
    ours_minor: int | None
    currency: str
    at: datetime
    waits: bool
    ended_at: datetime | None
    ended_by: str | None
    outcome: str | None
    note: str

    @property
    def name(self) -> Promise:
        """What differs, in words."""
        return statement_words.WHATS[self.what]

    @property
    def advice(self) -> Promise:
        """What to do about it."""
        return statement_words.WAITS if self.waits else statement_words.ADVICE[self.what]

    @property
    def ending(self) -> Promise | str:
        """What came of it."""
        return statement_words.OUTCOMES.get(self.outcome or "", self.outcome or "")

    @property
    def by_a_person(self) -> bool:
        """Whether somebody has ended it, and not the bill."""
        return bool(self.note)


def bills(organisation_id: int) -> list[BillRow]:
    """Return the last bills, the newest first."""
    return rows(
        BillRow,
        """select provider, day, kind, state, reason, ask_at, fetched_at, currency, lines, matched, differing,
            gross_minor, refunded_minor, fee_micro, fee_minor, opening_minor, closing_minor, paid_out_minor, (
                select count(*) from statement_difference d
                where (d.provider, d.day, d.kind) = (s.provider, s.day, s.kind) and d.ended_at is null
            ) as is_open
        from statement s where organisation_id = %(organisation_id)s
        order by day desc, provider, kind limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": BILLS_SHOWN_MAX},
    )


def differences(organisation_id: int, *, ended: bool) -> list[DifferenceRow]:
    """Return the differences that are open, the oldest first; or those that were ended last."""
    order = "ended_at desc" if ended else "waits, day"
    return rows(
        DifferenceRow,
        f"""select provider, day, kind, difference_no, what, transaction_no, reference, refund_reference,
            theirs_minor, ours_minor, currency, at, waits, ended_at, ended_by, outcome, note
        from statement_difference
        where organisation_id = %(organisation_id)s and (ended_at is not null) = %(ended)s
            and what <> 'other_day'
        order by {order}, provider, difference_no limit %(limit)s""",
        {
            "organisation_id": organisation_id,
            "ended": ended,
            "limit": ENDED_SHOWN_MAX if ended else DIFFERENCES_SHOWN_MAX,
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    provider: str


def is_theirs(organisation_id: int, provider: str) -> bool:
    """Tell whether a provider account is of an organisation."""
    found = rows(
        _Account,
        """select provider from provider_account
        where provider = %(provider)s and organisation_id = %(organisation_id)s""",
        {"provider": provider, "organisation_id": organisation_id},
    )
    return bool(found)

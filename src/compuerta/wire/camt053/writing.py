"""Writing statements: balances, entries and their sums, in the order that the schema wants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from compuerta.domain.errors import Broken
from compuerta.domain.money import format_minor
from compuerta.domain.xml_text import branch, document, leaf, plain

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
# ISO 20022 data types Max34Text, Max35Text, Max70Text, Max140Text.
_ACCOUNT_MAX: Final = 34
_REFERENCE_MAX: Final = 35
_NAME_MAX: Final = 70
_TEXT_MAX: Final = 140


class StatementUnequal(Broken):
    """A statement whose entries do not lead from its opening balance to its closing one."""

    def __init__(self, opening_minor: int, moved_minor: int, closing_minor: int) -> None:
        super().__init__(f"{opening_minor} and {moved_minor} are not {closing_minor}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """What an entry is, in the codes of ISO 20022: domain, family, sub-family."""

    domain: str
    family: str
    sub_family: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One booked movement; money that comes is positive."""

    reference: str  # our own, unique
    amount_minor: int
    booked_at: datetime
    valued_at: datetime
    sort: Sort
    own_sort: str  # what it is in our words
    servicer_reference: str = ""  # the provider's transaction number
    order: str = ""
    note: str = ""
    is_reversal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """An account between two instants."""

    statement_id: str
    account: str
    owner: str
    currency: str
    since: datetime
    until: datetime
    first_day: date
    last_day: date
    opening_minor: int
    closing_minor: int
    entries: Sequence[Entry]


def statement_document(message_id: str, statements: Sequence[Statement], *, made_at: datetime) -> bytes:
    """Return the message; raises `StatementUnequal` where the entries do not lead to the closing balance."""
    header = branch("GrpHdr", leaf("MsgId", _reference(message_id)), leaf("CreDtTm", _instant(made_at)))
    parts = [_statement(each, made_at=made_at) for each in statements]
    message = branch("BkToCstmrStmt", header, *parts)
    return document(branch("Document", message, attributes={"xmlns": NAMESPACE}))


def _statement(told: Statement, *, made_at: datetime) -> str:
    moved_minor = sum(each.amount_minor for each in told.entries)
    if told.opening_minor + moved_minor != told.closing_minor:
        raise StatementUnequal(told.opening_minor, moved_minor, told.closing_minor)
    return branch(
        "Stmt",
        leaf("Id", _reference(told.statement_id)),
        leaf("CreDtTm", _instant(made_at)),
        branch("FrToDt", leaf("FrDtTm", _instant(told.since)), leaf("ToDtTm", _instant(told.until))),
        branch(
            "Acct",
            branch("Id", branch("Othr", leaf("Id", plain(told.account, chars_max=_ACCOUNT_MAX)))),
            leaf("Ccy", told.currency),
            leaf("Nm", plain(told.account, chars_max=_NAME_MAX)),
            branch("Ownr", leaf("Nm", plain(told.owner, chars_max=_TEXT_MAX))),
        ),
        _balance("OPBD", told.opening_minor, told.currency, told.first_day),
        _balance("CLBD", told.closing_minor, told.currency, told.last_day),
        _summary(told.entries, currency=told.currency),
        *(_entry(each, currency=told.currency) for each in told.entries),
    )


def _balance(code: str, amount_minor: int, currency: str, day: date) -> str:
    return branch(
        "Bal",
        branch("Tp", branch("CdOrPrtry", leaf("Cd", code))),
        *_amount(amount_minor, currency),
        branch("Dt", leaf("Dt", day.isoformat())),
    )


def _summary(entries: Sequence[Entry], *, currency: str) -> str:
    came = [each.amount_minor for each in entries if each.amount_minor > 0]
    went = [-each.amount_minor for each in entries if each.amount_minor < 0]
    net_minor = sum(came) - sum(went)
    return branch(
        "TxsSummry",
        branch(
            "TtlNtries",
            leaf("NbOfNtries", str(len(entries))),
            leaf("Sum", format_minor(sum(came) + sum(went), currency=currency)),
            branch(
                "TtlNetNtry",
                leaf("Amt", format_minor(abs(net_minor), currency=currency)),
                leaf("CdtDbtInd", _side(net_minor)),
            ),
        ),
        *(
            branch(
                name,
                leaf("NbOfNtries", str(len(amounts))),
                leaf("Sum", format_minor(sum(amounts), currency=currency)),
            )
            for name, amounts in (("TtlCdtNtries", came), ("TtlDbtNtries", went))
        ),
    )


def _entry(entry: Entry, *, currency: str) -> str:
    sides = _amount(entry.amount_minor, currency)
    return branch(
        "Ntry",
        leaf("NtryRef", _reference(entry.reference)),
        *sides,
        leaf("RvslInd", "true" if entry.is_reversal else ""),
        branch("Sts", leaf("Cd", "BOOK")),
        branch("BookgDt", leaf("DtTm", _instant(entry.booked_at))),
        branch("ValDt", leaf("DtTm", _instant(entry.valued_at))),
        leaf("AcctSvcrRef", _reference(entry.servicer_reference)),
        _sort(entry),
        branch("NtryDtls", _details(entry, sides)),
    )


def _sort(entry: Entry) -> str:
    family = branch("Fmly", leaf("Cd", entry.sort.family), leaf("SubFmlyCd", entry.sort.sub_family))
    return branch(
        "BkTxCd",
        branch("Domn", leaf("Cd", entry.sort.domain), family),
        branch("Prtry", leaf("Cd", _reference(entry.own_sort)), leaf("Issr", "compuerta")),
    )


def _details(entry: Entry, sides: Sequence[str]) -> str:
    references = branch(
        "Refs",
        leaf("AcctSvcrRef", _reference(entry.servicer_reference)),
        leaf("EndToEndId", _reference(entry.order) or "NOTPROVIDED"),
    )
    # A number that is longer than a reference may be is told whole here, and never only in part.
    long = [each for each in (entry.servicer_reference, entry.order) if len(plain(each)) > _REFERENCE_MAX]
    said = [leaf("Ustrd", plain(each, chars_max=_TEXT_MAX)) for each in (*long, entry.note) if each]
    return branch("TxDtls", references, *sides, branch("RmtInf", *said))


def _amount(amount_minor: int, currency: str) -> tuple[str, str]:
    shown = format_minor(abs(amount_minor), currency=currency)
    return leaf("Amt", shown, {"Ccy": currency}), leaf("CdtDbtInd", _side(amount_minor))


def _side(amount_minor: int) -> str:
    return "CRDT" if amount_minor >= 0 else "DBIT"


def _reference(text: str) -> str:
    return plain(text, chars_max=_REFERENCE_MAX)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

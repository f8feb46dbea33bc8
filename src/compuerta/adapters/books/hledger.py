"""Books for hledger (https://hledger.org/1.25/hledger.html#journal), with each day's balances asserted.

`hledger check --strict` finds every account, commodity and amount declared. Currencies are commodities of one
journal. The sub-ledger is a journal of its own: customers below their control account, against its total.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

from compuerta.domain.chart import AccountClass, BookAccount
from compuerta.domain.money import format_minor, minor_digits
from compuerta.services.export_port import CustomerBook, CustomerDay, CustomerLine, Journal

_ROOTS = {
    AccountClass.ASSET: "assets",
    AccountClass.LIABILITY: "liabilities",
    AccountClass.EQUITY: "equity",
    AccountClass.INCOME: "revenues",
    AccountClass.EXPENSE: "expenses",
}
_Balances = dict[tuple[str, str], int]  # by account and currency


class Hledger:
    """See `export_port.BookWriter`."""

    def journal(self, journal: Journal) -> Iterator[bytes]:
        """Write a journal: a transaction for each day and site, and the balances that each day ends with."""
        names = {account: _name(account) for account in journal.accounts}
        payees = sorted({_plain(day.site.name) for day in journal.days})
        yield _head("journal", journal.organisation, journal.month, journal.currencies)
        yield _lines(f"account {name}" for name in names.values())
        yield _lines(f"payee {payee}" for payee in (*payees, *(["opening"] if journal.openings else [])))
        balances: _Balances = defaultdict(int)
        opened = [(names[each.account], each.currency, each.amount_minor) for each in journal.openings]
        if opened:
            yield _transaction(journal.month, "opening", "what every account had before", opened, balances)
        for n, day in enumerate(journal.days):
            sides = [
                (names[line.account], day.currency, side)
                for line in day.lines
                for side in (line.debit_minor, -line.credit_minor)
                if side
            ]
            yield _transaction(day.day, _plain(day.site.name), f"voucher {n + 1}", sides, balances)
            if n + 1 == len(journal.days) or journal.days[n + 1].day != day.day:
                yield _assertion(day.day, _plain(day.site.name), balances)

    def customers(self, book: CustomerBook) -> Iterator[bytes]:
        """Write the sub-ledger: each customer's day, and the control account's balance as their sum."""
        yield _head("customers", book.organisation, book.month, book.currencies)
        declared: set[str] = set()
        for day in book.days:
            payee = _plain(day.site.name)
            yield _declared((f"payee {payee}",), declared)
            sides = [
                (_customer(line, day), line.currency, line.debit_minor - line.credit_minor)
                for line in day.lines
            ]
            against: _Balances = defaultdict(int)
            for line in day.lines:
                against[_total(line.control), line.currency] -= line.debit_minor - line.credit_minor
            sides += [(name, currency, minor) for (name, currency), minor in sorted(against.items())]
            kept = [side for side in sides if side[2]]
            controls = {
                (f"{_name(each.account)}:{_site(day)}", each.currency): each.balance_minor
                for each in day.controls
            }
            names = (*(name for name, _, _ in kept), *(name for name, _ in controls))
            yield _declared((f"account {name}" for name in names), declared)
            said = "what every customer had before" if day.is_opening else "customers"
            if kept:
                yield _transaction(day.day, payee, said, kept, defaultdict(int))
            if controls:
                yield _assertion(day.day, payee, controls, inclusive=True)


def _head(what: str, organisation: str, month: date, currencies: Iterable[str]) -> bytes:
    lines = [f"; {what} of {_plain(organisation)}, {month:%Y-%m}", "decimal-mark ."]
    for currency in currencies:
        digits = minor_digits(currency)
        lines.append(f"commodity 1000.{'0' * digits} {currency}")
    return _lines(lines)


def _transaction(
    day: date, payee: str, note: str, sides: Iterable[tuple[str, str, int]], balances: _Balances
) -> bytes:
    lines = [f"\n{day} * {payee} | {note}"]
    for name, currency, minor in sides:
        balances[name, currency] += minor
        lines.append(f"    {name}  {format_minor(minor, currency=currency)} {currency}")
    return _lines(lines)


def _assertion(day: date, payee: str, balances: _Balances, *, inclusive: bool = False) -> bytes:
    lines = [f"\n{day} * {payee} | balances"]
    sign = "=*" if inclusive else "="
    for (name, currency), minor in sorted(balances.items()):
        zero, told = (format_minor(each, currency=currency) for each in (0, minor))
        lines.append(f"    {name}  {zero} {currency} {sign} {told} {currency}")
    return _lines(lines)


def _declared(directives: Iterable[str], declared: set[str]) -> bytes:
    new = sorted(set(directives) - declared)
    declared.update(new)
    return _lines(new)


def _name(account: BookAccount) -> str:
    name = f"{_ROOTS[account.account_class]}:{account.number} {_plain(account.name)}"
    return f"{name}:{_plain(account.detail)}" if account.detail else name


def _total(control: BookAccount) -> str:
    return f"equity:control {control.number}"


def _site(day: CustomerDay) -> str:
    return f"site {day.site.site_id} {_plain(day.site.name)}"


def _customer(line: CustomerLine, day: CustomerDay) -> str:
    return f"{_name(line.control)}:{_site(day)}:{line.account_id} {_plain(line.name)}".rstrip()


def _plain(text: str) -> str:
    """Return a name as one that says nothing to hledger: no level, comment, note or double space."""
    kept = "".join(each if each.isprintable() else " " for each in text)
    for mark in ":;|":
        kept = kept.replace(mark, "-")
    # A mark or a bracket in the beginning would be taken for a state, or for a code.
    return " ".join(kept.split()).lstrip("*!( ") or "-"


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()

"""Books for beancount (https://beancount.github.io/docs/beancount_language_syntax.html), with no tolerance.

By default beancount lets a balance pass that is one cent off: here every tolerance is zero, and each balance
says so itself. A balance is that of a day's beginning, and so stands under the next day. Account names take
ASCII letters and digits only: they are numbers, and the names stand beside them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from compuerta.domain.chart import AccountClass, BookAccount
from compuerta.domain.money import format_minor
from compuerta.services.export_port import CustomerBook, CustomerDay, CustomerLine, Journal

_ROOTS = {
    AccountClass.ASSET: "Assets",
    AccountClass.LIABILITY: "Liabilities",
    AccountClass.EQUITY: "Equity",
    AccountClass.INCOME: "Income",
    AccountClass.EXPENSE: "Expenses",
}
_Balances = dict[tuple[str, str], int]  # by account and currency
_DAY = timedelta(days=1)


class Beancount:
    """See `export_port.BookWriter`."""

    def journal(self, journal: Journal) -> Iterator[bytes]:
        """Write a journal: a transaction for each day and site, and the balances that each day ends with."""
        names = {account: _name(account) for account in journal.accounts}
        yield _head("journal", journal.organisation, journal.month, journal.currencies)
        for account, name in names.items():
            told = " ".join([account.name, account.detail]).strip()
            yield _open(journal.month, name, told)
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
            yield _transaction(day.day, day.site.name, f"voucher {n + 1}", sides, balances)
            if n + 1 == len(journal.days) or journal.days[n + 1].day != day.day:
                yield _assertion(day.day + _DAY, balances)
        if not journal.days:
            yield _assertion(journal.month + _DAY, balances)

    def customers(self, book: CustomerBook) -> Iterator[bytes]:
        """Write the sub-ledger: each customer's day, and the control account's balance as their sum."""
        yield _head("customers", book.organisation, book.month, book.currencies)
        opened: set[str] = set()
        for day in book.days:
            sides = [
                (_customer(line, day), line.currency, line.debit_minor - line.credit_minor)
                for line in day.lines
            ]
            against: _Balances = defaultdict(int)
            for line in day.lines:
                against[_total(line.control), line.currency] -= line.debit_minor - line.credit_minor
            titles = {_customer(line, day): line.name for line in day.lines}
            titles |= {name: "control account" for name, _ in against}
            titles |= {_controlled(each.account, day): each.account.name for each in day.controls}
            for name, title in sorted(titles.items()):
                if name not in opened:
                    opened.add(name)
                    yield _open(book.month, name, title)
            sides += [(name, currency, minor) for (name, currency), minor in sorted(against.items())]
            kept = [side for side in sides if side[2]]
            said = "what every customer had before" if day.is_opening else "customers"
            if kept:
                yield _transaction(day.day, day.site.name, said, kept, defaultdict(int))
            if not day.is_opening:
                ends = {
                    (_controlled(each.account, day), each.currency): each.balance_minor
                    for each in day.controls
                }
                yield _assertion(day.day + _DAY, ends)


def _head(what: str, organisation: str, month: date, currencies: Iterable[str]) -> bytes:
    lines = [f'option "title" {_text(f"{what} of {organisation}, {month:%Y-%m}")}']
    lines += [f'option "operating_currency" "{currency}"' for currency in currencies]
    lines += ['option "tolerance_multiplier" "0"', 'option "inferred_tolerance_default" "*:0"']
    return _lines([*lines, *(f"{month} commodity {currency}" for currency in currencies)])


def _open(month: date, name: str, title: str) -> bytes:
    return _lines([f"{month} open {name}", f"  name: {_text(title)}"])


def _transaction(
    day: date, payee: str, note: str, sides: Iterable[tuple[str, str, int]], balances: _Balances
) -> bytes:
    lines = [f"\n{day} * {_text(payee)} {_text(note)}"]
    for name, currency, minor in sides:
        balances[name, currency] += minor
        lines.append(f"  {name}  {format_minor(minor, currency=currency)} {currency}")
    return _lines(lines)


def _assertion(day: date, balances: _Balances) -> bytes:
    zero = 0
    return _lines(
        f"{day} balance {name}  {format_minor(minor, currency=currency)}"
        f" ~ {format_minor(zero, currency=currency)} {currency}"
        for (name, currency), minor in sorted(balances.items())
    )


def _name(account: BookAccount) -> str:
    name = f"{_ROOTS[account.account_class]}:{account.number.replace('.', '-')}"
    return f"{name}:P-{_word(account.detail)}" if account.detail else name


def _total(control: BookAccount) -> str:
    return f"Equity:Control:{control.number.replace('.', '-')}"


def _controlled(control: BookAccount, day: CustomerDay) -> str:
    return f"{_name(control)}:S{day.site.site_id}"


def _customer(line: CustomerLine, day: CustomerDay) -> str:
    return f"{_controlled(line.control, day)}:A{line.account_id}"


def _word(text: str) -> str:
    """Return a name in letters and digits, another for each: what is neither is told by its number."""
    return "".join(each if each.isascii() and each.isalnum() else f"-{ord(each):x}-" for each in text)


def _text(text: str) -> str:
    kept = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()

"""Bookkeeping: a month of the ledger as other books take it.

To the general ledger goes a total for each day, site and code: a hundred thousand postings are some twenty
lines a day. What customers have stands there under control accounts; the sub-ledger beside it tells the same
day by account, and both agree at the end of each day, or nothing is written.

A day is the site's own. Postings are never changed, so that a day that is over reads the same for ever.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from compuerta.domain.chart import CONTROLLED, BookAccount, Chart, CodeUnmapped, account_of
from compuerta.domain.errors import Broken, Refused
from compuerta.domain.money import minor_digits
from compuerta.domain.party import Site
from compuerta.domain.voucher import Layout, Voucher, VoucherLine
from compuerta.services.charting import chart_of, layout_of
from compuerta.services.day_end import bounds_of
from compuerta.services.export_port import (
    BookDay,
    BookLine,
    Control,
    CustomerBook,
    CustomerDay,
    CustomerLine,
    Form,
    Journal,
    Opening,
    Part,
    SiteMonth,
    Total,
)
from compuerta.services.statement_months import month_of
from compuerta.services.store_port import Store

DAYS_MAX = 100_000  # days of sites in one file: more are no file that anybody opens
Told = Callable[[int, int], None]  # how many sites, or days, of how many are read
Balances = dict[tuple[BookAccount, str], int]  # by account and currency


class SiteUnknown(Refused):
    """There is no such site in this organisation, or none at all."""

    def __init__(self, site_id: int | None) -> None:
        told = "the organisation has no site yet" if site_id is None else f"there is no site {site_id} here"
        super().__init__(f"{told}: nothing can be exported")
        self.site_id = site_id


class MonthAhead(Refused):
    """A month that has not begun anywhere."""

    def __init__(self, month: date) -> None:
        super().__init__(f"{month:%Y-%m} has not begun: there are no books of it")
        self.month = month


class CurrenciesMany(Refused):
    """Vouchers are told in one currency, and these books hold several."""

    def __init__(self, currencies: Iterable[str]) -> None:
        self.currencies = tuple(currencies)
        super().__init__(f"the books hold {', '.join(self.currencies)}: export each currency by itself")


class BooksTooLarge(Refused):
    """More than one file should hold."""

    def __init__(self, what: str, most: int) -> None:
        super().__init__(f"more than {most} {what} in one file: export each site by itself")
        self.most = most


class ControlDiffers(Broken):
    """What customers have does not add up to their control account."""

    def __init__(self, site: Site, code: str, control_minor: int, customers_minor: int) -> None:
        super().__init__(
            f"site {site.site_id}, {code}: {control_minor} in all, {customers_minor} by account (minor units)"
        )
        self.site_id = site.site_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which books are wanted, and in which form."""

    organisation_id: int
    form: Form
    month: date  # its first day
    part: Part = Part.JOURNAL
    site_id: int | None = None  # None = all
    currency: str | None = None  # None = all
    layout: str | None = None  # None = the organisation's own, or plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every export of an organisation begins with."""

    organisation: str
    months: tuple[SiteMonth, ...]
    chart: Chart
    providers: Mapping[str, str]
    layout: Layout

    def account(self, code: str) -> BookAccount:
        """Return the account that a code is told as; refuses one that the chart has no account for."""
        found = account_of(code, chart=self.chart, providers=self.providers)
        if found is None:
            raise CodeUnmapped([code])
        return found

    def require_mapped(self, codes: Iterable[str]) -> None:
        """Refuse codes without an account, all by name."""
        missing = [
            code for code in codes if account_of(code, chart=self.chart, providers=self.providers) is None
        ]
        if missing:
            raise CodeUnmapped(missing)


def frame_of(store: Store, wish: Wish, *, now: datetime) -> Frame:
    """Return what an export begins with; refuses a site that is not there, and a month that has not begun."""
    if wish.currency is not None:
        minor_digits(wish.currency)  # refused by name where it is none
    with store.transaction() as tx:
        sites = tx.exports.sites(wish.organisation_id)
        wanted = [each for each in sites if wish.site_id in (None, each.site_id)]
        if not wanted:
            raise SiteUnknown(wish.site_id)
        months = tuple(site_month(each, wish.month) for each in wanted)
        if all(each.starts_at > now for each in months):
            raise MonthAhead(wish.month)
        return Frame(
            organisation=tx.exports.organisation_name(wish.organisation_id),
            months=months,
            chart=chart_of(tx, wish.organisation_id),
            providers=tx.exports.providers(wish.organisation_id),
            layout=layout_of(tx, wish.organisation_id, wish.layout),
        )


def site_month(site: Site, first: date) -> SiteMonth:
    """Return a month of a site, from midnight to midnight by its own clock."""
    starts_at, ends_at = month_of(first).bounds(zone=site.zone)
    return SiteMonth(site=site, month=first, starts_at=starts_at, ends_at=ends_at)


def journal(store: Store, wish: Wish, frame: Frame, *, told: Told) -> Journal:
    """Return a month's journal: openings, and a total for each day, site and account."""
    openings: Balances = defaultdict(int)
    days: list[BookDay] = []
    for number, month in enumerate(frame.months, start=1):
        with store.transaction() as tx:
            before = [each for each in tx.exports.before(month) if wish.currency in (None, each.currency)]
            booked = [
                (day, each) for day, each in tx.exports.days(month) if wish.currency in (None, each.currency)
            ]
        frame.require_mapped(each.code for each in (*before, *(total for _, total in booked)))
        for total in before:
            openings[frame.account(total.code), total.currency] += total.amount_minor
        days += _book_days(month.site, booked, frame)
        if len(days) > DAYS_MAX:
            raise BooksTooLarge("days of sites", DAYS_MAX)
        told(number, len(frame.months))
    kept = sorted(key for key, amount_minor in openings.items() if amount_minor)
    accounts = {account for account, _ in kept} | {line.account for day in days for line in day.lines}
    return Journal(
        organisation=frame.organisation,
        month=wish.month,
        currencies=tuple(sorted({currency for _, currency in kept} | {day.currency for day in days})),
        accounts=tuple(sorted(accounts)),
        openings=tuple(
            Opening(account=account, currency=currency, amount_minor=openings[account, currency])
            for account, currency in kept
        ),
        days=tuple(sorted(days, key=lambda each: (each.day, each.site.site_id, each.currency))),
        layout=frame.layout,
    )


def customer_book(store: Store, wish: Wish, frame: Frame, *, now: datetime, told: Told) -> CustomerBook:
    """Return a month's sub-ledger; its days are read one by one, as they are asked for."""
    frame.require_mapped(CONTROLLED)
    return CustomerBook(
        organisation=frame.organisation,
        month=wish.month,
        currencies=tuple(sorted({each.site.currency for each in frame.months})),
        controls=tuple(sorted({frame.account(code) for code in CONTROLLED})),
        days=_customer_days(store, wish, frame, now=now, told=told),
    )


def vouchers_of(journal: Journal) -> list[Voucher]:
    """Return a voucher for each day and site, numbered from one; refuses more than one currency."""
    if len(journal.currencies) > 1:
        raise CurrenciesMany(journal.currencies)
    return [_voucher(number, day) for number, day in enumerate(journal.days, start=1)]


def _book_days(site: Site, booked: Iterable[tuple[date, Total]], frame: Frame) -> list[BookDay]:
    sums: dict[tuple[date, str], dict[BookAccount, tuple[int, int]]] = defaultdict(dict)
    for day, total in booked:
        lines = sums[day, total.currency]
        account = frame.account(total.code)
        debit, credit = lines.get(account, (0, 0))
        lines[account] = (debit + total.debit_minor, credit + total.credit_minor)
    return [
        BookDay(
            day=day,
            site=site,
            currency=currency,
            lines=tuple(
                BookLine(account=account, debit_minor=debit, credit_minor=credit)
                for account, (debit, credit) in sorted(lines.items())
            ),
        )
        for (day, currency), lines in sums.items()
    ]


def _customer_days(
    store: Store, wish: Wish, frame: Frame, *, now: datetime, told: Told
) -> Iterator[CustomerDay]:
    number = 0
    for month in frame.months:
        balances: Balances = defaultdict(int)
        spans: list[tuple[date, datetime | None, datetime]] = [(month.month, None, month.starts_at)]
        spans += [(day, *bounds_of(day, zone=month.site.zone)) for day in month_of(month.month).days()]
        for day, since, until in spans:
            number += 1
            if since is not None and since > now:
                break
            with store.transaction() as tx:
                found = tx.exports.customers(month, CONTROLLED, since=since, until=until)
                totals = [each for each in found if wish.currency in (None, each.currency)]
                ids = sorted({each.account_id for each in totals if each.account_id is not None})
                names = tx.exports.account_names(ids)
            _require_tied(month.site, totals)
            yield _customer_day(month.site, day, totals, frame, names, balances, is_opening=since is None)
            told(number, len(frame.months) * len(spans))


def _customer_day(
    site: Site,
    day: date,
    totals: Iterable[Total],
    frame: Frame,
    names: Mapping[int, str],
    balances: Balances,
    *,
    is_opening: bool,
) -> CustomerDay:
    """Tell a day by account, and let the control accounts' balances go on."""
    lines = []
    for total in totals:
        control = frame.account(total.code)
        if total.account_id is None:
            balances[control, total.currency] += total.amount_minor
            continue
        # What an account had in the beginning is one amount, on one of the two sides.
        debit, credit = (max(total.amount_minor, 0), max(-total.amount_minor, 0)) if is_opening else (
            total.debit_minor, total.credit_minor,
        )  # fmt: skip
        if debit or credit:
            lines.append(
                CustomerLine(
                    account_id=total.account_id,
                    name=names.get(total.account_id, ""),
                    control=control,
                    currency=total.currency,
                    debit_minor=debit,
                    credit_minor=credit,
                )
            )
    controls = tuple(
        Control(account=account, currency=currency, balance_minor=balance_minor)
        for (account, currency), balance_minor in sorted(balances.items())
    )
    return CustomerDay(day=day, site=site, is_opening=is_opening, lines=tuple(lines), controls=controls)


def _require_tied(site: Site, totals: Iterable[Total]) -> None:
    """Stop where accounts do not add up to the whole, whose total comes from the same instant."""
    of_all: dict[tuple[str, str], int] = defaultdict(int)
    by_account: dict[tuple[str, str], int] = defaultdict(int)
    for total in totals:
        side = of_all if total.account_id is None else by_account
        side[total.code, total.currency] += total.amount_minor
    for key in of_all.keys() | by_account.keys():
        if of_all[key] != by_account[key]:
            raise ControlDiffers(site, key[0], of_all[key], by_account[key])


def _voucher(number: int, day: BookDay) -> Voucher:
    sides = [(line, side) for line in day.lines for side in (line.debit_minor, -line.credit_minor) if side]
    return Voucher(
        voucher_no=number,
        day=day.day,
        site=day.site.name,
        currency=day.currency,
        lines=tuple(
            VoucherLine(
                account_number=line.account.number,
                account_name=line.account.name,
                detail=line.account.detail,
                debit_minor=max(side_minor, 0),
                credit_minor=max(-side_minor, 0),
            )
            for line, side_minor in sides
        ),
    )

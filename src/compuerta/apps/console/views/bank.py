"""Banks: accounts and their statements, taken in after a look, and entries that wait for somebody."""

import base64
import binascii
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from compuerta.adapters.bank import camt053, columns
from compuerta.adapters.bank.columns import ENCODINGS, ColumnMap, DayOrder, Typed
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.console import amounts, bank_reads, bank_words, histories, people, screens, work
from compuerta.apps.console.bank_reads import AccountRow, EntryRow, TargetRow
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.screens import show
from compuerta.apps.console.views.chart import keeps_books
from compuerta.apps.console.views.corrections import WHY_MAX, require_all_money
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.money import MINOR_DIGITS
from compuerta.services import banking, tying
from compuerta.services.bank_port import BankAccount, EntryKey, Target, TargetKey, TargetKind
from compuerta.services.bank_sheet import BankSheet, FileUnreadable, Judged
from compuerta.services.banking import Import
from compuerta.services.tying import Tying

FILE_BYTES_MAX = 1_500_000  # the form carries it from the look to the taking
NAME_MAX = 80
NUMBER_MAX = 40
TYPED_MAX = 60
_COLUMNS = ("day", "amount", "credit", "debit", "balance", "reference", "text", "number")
_TYPED = (*_COLUMNS, "opening", "closing", "delimiter", "encoding", "order", "decimal", "account")
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}


@for_people
def page(request: HttpRequest, person: Person) -> HttpResponse:
    """List accounts, statements, and what waits; add an account when the form comes back."""
    require_all_money(person)
    if request.method == "POST":
        return _add(request, person)
    context = {
        "accounts": bank_reads.accounts(person.organisation_id),
        "statements": bank_reads.statements(person.organisation_id),
        "entries": bank_reads.untied(person.organisation_id),
        "answered": bank_reads.answered(person.organisation_id),
        "targets": _targets(person),
        "currencies": sorted(MINOR_DIGITS),
        "may_act": keeps_books(person),
        "act_id": uuid4(),
    }
    return show(request, person, "bank", context, title=_("Bank"))


@for_people
def importing(request: HttpRequest, person: Person) -> HttpResponse:
    """Look at a statement before it is taken, and then take it."""
    require_all_money(person)
    _require_keeper(person)
    accounts = bank_reads.accounts(person.organisation_id)
    context: dict[str, object] = {"accounts": accounts, "orders": bank_words.ORDERS.items()}
    context |= {"typed": request.session.get("bank_columns", {}), "act_id": uuid4()}
    if request.method != "POST":
        return show(request, person, "bank_import", context, title=_("Take in a statement"))
    typed = {name: request.POST.get(name, "")[:TYPED_MAX].strip() for name in _TYPED}
    context["typed"] = request.session["bank_columns"] = typed
    try:
        account = _chosen(accounts, typed["account"])
        file = _file(request)
        wanted = Import(
            bank_account_id=account.bank_account_id,
            organisation_id=person.organisation_id,
            sheets=_sheets(file, typed, account),
        )
        if "take" in request.POST:
            return _take(request, person, wanted)
        judged = work.run(lambda store: banking.preview(store, wanted, now=wiring.now()))
    except (Refused, Unreachable) as error:
        faults = error.faults if isinstance(error, FileUnreadable) else ()
        context |= {"error": screens.told(error), "faults": faults}
    else:
        content = base64.b64encode(file).decode()
        context |= {"judged": _shown(judged), "account": account, "content": content}
    return show(request, person, "bank_import", context, title=_("Take in a statement"))


@for_people
def entry(request: HttpRequest, person: Person, entry_id: UUID) -> HttpResponse:
    """Show an entry; tie it, agree to a tie, refuse one, or make it a case when a form comes back."""
    require_all_money(person)
    if request.method == "POST":
        _require_keeper(person)
    found = bank_reads.entry(person.organisation_id, entry_id)
    if found is None:
        raise Http404
    if request.method == "POST":
        return _act(request, person, found)
    near = [each for each in _targets(person) if each.currency == found.currency]
    context = {
        "entry": found,
        "ties": bank_reads.ties(person.organisation_id, entry_id),
        "targets": sorted(near, key=lambda each: (abs(each.amount_minor - found.amount_minor), each.day)),
        "may_act": keeps_books(person),
        "act_id": uuid4(),
    }
    return show(request, person, "bank_entry", context, title=_("Entry at the bank"))


def _add(request: HttpRequest, person: Person) -> HttpResponse:
    _require_keeper(person)
    act_id, currency = act_id_of(request), request.POST.get("currency", "")
    account = BankAccount(
        bank_account_id=act_id,
        organisation_id=person.organisation_id,
        name=request.POST.get("name", "").strip()[:NAME_MAX],
        number=request.POST.get("number", "").strip()[:NUMBER_MAX],
        currency=currency,
    )
    if not account.name or not account.number or currency not in MINOR_DIGITS:
        raise Http404  # the form asks for all of them
    actor = people.actor(request, person, why=_("from the screen"))

    def added(store: PostgresStore) -> None:
        banking.open_account(store, account, actor=actor, act_id=act_id, now=wiring.now())

    try:
        work.run(added)
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
    return redirect("bank")


def _take(request: HttpRequest, person: Person, wanted: Import) -> HttpResponse:
    actor = people.actor(request, person, why=_("from the screen"))
    act_id = act_id_of(request)

    def taken(store: PostgresStore) -> list[Judged]:
        return banking.take(store, wanted, actor=actor, act_id=act_id, now=wiring.now())

    judged = work.run(taken)
    entries = sum(len(each.new) for each in judged)
    if entries:
        messages.success(request, _("%(count)s entries were taken in.") % {"count": entries})
    else:
        messages.info(request, _("All of it was known already: nothing was taken."))
    return redirect("bank")


def _act(request: HttpRequest, person: Person, found: EntryRow) -> HttpResponse:
    act_id = act_id_of(request)
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:WHY_MAX])
    key = EntryKey(found.bank_account_id, found.entry_id)
    theirs = person.organisation_id
    acts = {"agree": tying.agree, "refuse": tying.refuse, "file": tying.file}
    verb = request.POST.get("verb", "")

    def acted(store: PostgresStore) -> None:
        if verb == "tie":
            wanted = Tying(entry=key, organisation_id=theirs, targets=_ticked(request))
            tying.tie(store, wanted, actor=actor, act_id=act_id, now=wiring.now())
        else:
            acts[verb](store, key, organisation_id=theirs, actor=actor, act_id=act_id, now=wiring.now())

    if verb != "tie" and verb not in acts:
        raise Http404
    try:
        if not histories.was_done(theirs, act_id):
            work.run(acted)
    except (Refused, Unreachable) as error:
        messages.error(request, screens.told(error))
        return redirect("bank_entry", found.entry_id)
    return redirect("bank")


def _ticked(request: HttpRequest) -> tuple[TargetKey, ...]:
    keys = []
    for told in request.POST.getlist("target")[: bank_reads.TARGETS_SHOWN_MAX]:
        kind, _, rest = told.partition("\t")
        provider, _, number = rest.partition("\t")
        if kind not in bank_words.TARGETS:
            raise Http404
        keys.append(TargetKey(TargetKind(kind), provider, number))
    return tuple(keys)


def _targets(person: Person) -> list[TargetRow]:
    def read(store: PostgresStore) -> list[Target]:
        with store.transaction() as tx:
            return tx.bank.targets(person.organisation_id, limit=bank_reads.TARGETS_SHOWN_MAX)

    return [
        TargetRow(
            kind=each.key.kind.value,
            provider=each.key.provider,
            number=each.key.number,
            amount_minor=each.amount_minor,
            currency=each.currency,
            day=each.day,
        )
        for each in work.run(read)
    ]


def _chosen(accounts: list[AccountRow], told: str) -> AccountRow:
    for each in accounts:
        if str(each.bank_account_id) == told:
            return each
    raise banking.AccountUnknown


def _file(request: HttpRequest) -> bytes:
    """Return the file that was chosen, or the one that was looked at before."""
    sent = request.FILES.get("file")
    if sent is None or sent.size is None:
        try:
            return base64.b64decode(request.POST.get("content", ""), validate=True)
        except binascii.Error:
            raise Http404 from None
    if sent.size > FILE_BYTES_MAX:
        raise FileUnreadable([columns.too_large(FILE_BYTES_MAX)])
    content: bytes = sent.read()
    return content


def _sheets(file: bytes, typed: dict[str, str], account: AccountRow) -> tuple[BankSheet, ...]:
    if file.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return camt053.read(file)
    given = {name: typed[name] for name in _COLUMNS}
    column_map = ColumnMap(
        **given,
        delimiter=_DELIMITERS.get(typed["delimiter"], ","),
        encoding=typed["encoding"] if typed["encoding"] in ENCODINGS else "utf-8",
        order=DayOrder(typed["order"]) if typed["order"] in bank_words.ORDERS else DayOrder.YEAR_FIRST,
        decimal="," if typed["decimal"] == "," else ".",
    )
    opening_minor, closing_minor = (
        amounts.typed(typed[name], currency=account.currency) if typed[name] else None
        for name in ("opening", "closing")
    )
    balances = Typed(opening_minor=opening_minor, closing_minor=closing_minor)
    return columns.read(file, column_map, currency=account.currency, typed=balances)


def _shown(judged: list[Judged]) -> list[dict[str, object]]:
    return [{"told": each, "standing": bank_words.STANDINGS[each.standing]} for each in judged]


def _require_keeper(person: Person) -> None:
    if not keeps_books(person):
        raise PermissionDenied

"""The day after: the providers' bills are held against the books, and the journal against its seals.

Nothing may differ but what a provider lied about. It looks past everything that the run has said and heard:
at the provider's own list of its money, and at the rows of the postings alone.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta

from compuerta.adapters.memory import compare_bill
from compuerta.adapters.memory.journal import MemoryJournal
from compuerta.adapters.payments.http import converse_with
from compuerta.domain.party import BUYING, zone_of
from compuerta.services import (
    resident_statements,
    statement_days,
    statement_months,
    statement_sheet,
    verifying,
)
from compuerta.services.payment_ports import NotReady, PaymentProvider, StatementKind
from compuerta.services.resident_statements import DoesNotAddUp
from compuerta.services.statement_port import Found, Statement, What
from compuerta.services.statement_sheet import Sheet
from compuerta.services.verifying import Question
from compuerta.sim.looking import PromiseBroken
from compuerta.sim.providers import Provider
from compuerta.sim.stage import START
from compuerta.sim.tariffs import CURRENCY
from compuerta.sim.town import ZONE, Town

_OURS = (What.OURS_ONLY, What.REFUND_OURS_ONLY)
MADE_AT = time(12)  # of the day after, in the provider's own zone: every bill is made by then


def look(town: Town) -> None:
    """Hold the bills of the run's days against the books, and verify the journal; raises `PromiseBroken`."""
    lines = [*_altered(town), *_untied(town)]
    lines += [
        f"M2: the bill of {each.name} differs: {found.what.value} {found.transaction_no} {found.reference},"
        f" theirs {found.theirs_minor}, ours {found.ours_minor}"
        for each in town.providers
        for found in _unsettled(_differences(town, each))
        if not (found.what is What.AMOUNT and each.has_lied)
    ]
    if lines:
        raise PromiseBroken(lines)


def _altered(town: Town) -> Iterator[str]:
    journal = MemoryJournal(town.database.store.tables)
    verified = verifying.verify(journal, Question(now=town.stage.now()), tell=lambda number: None)
    for each in verified.found:
        yield f"M5: {each.wrong.value} {each.account_id} {each.day} {each.posting_id} {each.detail}"
    if town.database.store.tables.site_days and not verified.anchors:
        yield "M5: no day is anchored"


def _untied(town: Town) -> Iterator[str]:
    """T1 Every resident's statement of the month adds up to the books."""
    store, now = town.database.store, town.stage.now()
    month = statement_months.running(now, zone=ZONE)
    for account in store.tables.accounts.values():
        if account.kind in BUYING:
            try:
                resident_statements.resident_statement(store, account.account_id, month=month, now=now)
            except DoesNotAddUp as differs:
                yield f"T1: {differs}"


def _unsettled(differences: Iterable[Found]) -> list[Found]:
    """Leave out what is in the bill of the day beside: a refund is of the day of its end by our books."""
    found = list(differences)
    beside = {(each.transaction_no, each.refund_reference) for each in found if each.what is What.OTHER_DAY}
    return [
        each
        for each in found
        if each.what is not What.OTHER_DAY
        and not (each.what in _OURS and (each.transaction_no, each.refund_reference) in beside)
    ]


def _differences(town: Town, asked: Provider) -> Iterator[Found]:
    provider = town.doors[0].providers[asked.name]
    zone = provider.capabilities.statement_zone
    first, last = (each.astimezone(zone_of(zone)).date() for each in (START, town.stage.now()))
    for number in range((last - first).days + 1):
        statement = Statement(
            provider=asked.name,
            day=first + timedelta(days=number),
            kind=StatementKind.TRADE,
            organisation_id=1,
            currency=CURRENCY,
        )
        made_at = datetime.combine(last + timedelta(days=1), MADE_AT, zone_of(zone)).astimezone(UTC)
        sheet = _sheet(town, asked, provider, statement, made_at=made_at)
        scope = statement_days.scope_of(statement, zone=zone)
        yield from compare_bill(town.database.store, sheet, scope).found


def _sheet(
    town: Town, asked: Provider, provider: PaymentProvider, statement: Statement, *, made_at: datetime
) -> Sheet:
    steps = provider.statement(statement.day, statement.kind, now=made_at, chance=town.stage.chance.randbytes)
    try:
        file = converse_with(steps, lambda request: asked.world.answer(request, made_at))
    except NotReady:  # some make none of a day without any movement
        return statement_sheet.written([])
    return statement_sheet.written(provider.lines(file, statement.kind))

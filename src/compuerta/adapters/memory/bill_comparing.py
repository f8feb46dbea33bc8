"""Holding a provider's bill against our books, line by line, in memory."""

from collections import defaultdict
from collections.abc import Iterator

from compuerta.adapters.memory.store import MemoryStore
from compuerta.adapters.memory.tables import Tables
from compuerta.domain.payment import Refund, RefundState
from compuerta.services.statement_port import Compared, Found, Named, Scope, What
from compuerta.services.statement_sheet import Sheet, SheetLine, in_order


def compare_bill(store: MemoryStore, sheet: Sheet, scope: Scope) -> Compared:
    """Say how a bill and our books differ; see `agreeing.Compare`. Writes nothing."""
    lines = list(sheet.read())
    ours = [each for each in lines if each.currency == scope.currency]
    with store.transaction():
        found = [
            *_payments(lines, scope, store.tables),
            *_refunds(lines, scope, store.tables),
            *_twice(lines),
        ]
    return Compared(
        lines=len(lines),
        gross_minor=sum(each.amount_minor for each in ours if each.amount_minor > 0),
        refunded_minor=-sum(each.amount_minor for each in ours if each.amount_minor < 0),
        fee_micro=sum(each.fee_micro for each in ours),
        found=in_order(found),
    )


def _payments(lines: list[SheetLine], scope: Scope, tables: Tables) -> Iterator[Found]:
    paid = [each for each in lines if each.amount_minor > 0]
    for line in paid:
        known = tables.payments.get((scope.provider, line.transaction_no))
        if known is None:
            yield _found(What.THEIRS_ONLY, line)
        elif (known.amount_minor, known.currency) != (line.amount_minor, line.currency):
            yield _found(What.AMOUNT, line, ours_minor=known.amount_minor)
        elif known.reference != line.reference and (scope.provider, line.reference) in tables.orders:
            yield _found(What.REFERENCE, line, ours_minor=known.amount_minor)
        elif not scope.start <= known.paid_at < scope.end:
            yield _found(What.OTHER_DAY, line, ours_minor=known.amount_minor)
    told = {each.transaction_no for each in paid}
    for each in tables.payments.values():
        is_of_day = each.provider == scope.provider and scope.start <= each.paid_at < scope.end
        if is_of_day and each.transaction_no not in told:
            yield Found(
                What.OURS_ONLY, each.transaction_no, each.reference, "", None, each.amount_minor,
                each.currency, each.paid_at,
            )  # fmt: skip


def _refunds(lines: list[SheetLine], scope: Scope, tables: Tables) -> Iterator[Found]:
    by_reference: dict[str, Refund] = {}
    for each in sorted(tables.refunds.values(), key=lambda each: each.refund_id, reverse=True):
        if each.provider == scope.provider:
            by_reference[each.reference] = each
    gone = [each for each in lines if each.amount_minor < 0]
    for line in gone:
        known = by_reference.get(line.refund_reference)
        if known is None:
            yield _found(What.REFUND_THEIRS_ONLY, line)
        elif (known.amount_minor, known.currency) != (-line.amount_minor, line.currency):
            yield _found(What.AMOUNT, line, ours_minor=-known.amount_minor)
        elif known.ended_at is None or not scope.start <= known.ended_at < scope.end:
            yield _found(What.OTHER_DAY, line, ours_minor=-known.amount_minor)
    told = {each.refund_reference for each in gone}
    payments = {each.payment_id: each for each in tables.payments.values()}
    for refund in tables.refunds.values():
        is_done = refund.provider == scope.provider and refund.state is RefundState.DONE
        if not is_done or refund.ended_at is None or not scope.start <= refund.ended_at < scope.end:
            continue
        payment = payments[refund.payment_id]
        if refund.reference in told or refund.reference.startswith(f"{payment.transaction_no}:"):
            continue  # what was told without a name has none to look for
        yield Found(
            What.REFUND_OURS_ONLY, payment.transaction_no, payment.reference, refund.reference, None,
            -refund.amount_minor, refund.currency, refund.ended_at,
        )  # fmt: skip


def _twice(lines: list[SheetLine]) -> Iterator[Found]:
    by_name: dict[Named, list[SheetLine]] = defaultdict(list)
    for line in lines:
        if line.amount_minor:
            by_name[line.transaction_no, line.refund_reference].append(line)
    for same in by_name.values():
        if len(same) > 1:
            first = min(same, key=lambda each: each.at)
            reference, currency = min(each.reference for each in same), min(each.currency for each in same)
            yield Found(
                What.TWICE, first.transaction_no, reference, first.refund_reference,
                sum(each.amount_minor for each in same), None, currency, first.at,
            )  # fmt: skip


def _found(what: What, line: SheetLine, *, ours_minor: int | None = None) -> Found:
    return Found(
        what, line.transaction_no, line.reference, line.refund_reference, line.amount_minor, ours_minor,
        line.currency, line.at,
    )  # fmt: skip

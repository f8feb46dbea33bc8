"""Paying at the till by the code on a customer's phone: which provider it is of, and what becomes of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from compuerta.apps.console import histories, work
from compuerta.apps.console.till_reads import SaleRow
from compuerta.domain.errors import Unreachable
from compuerta.domain.payment import Flow
from compuerta.services import ordering, tilling, vend
from compuerta.services.acting import Actor
from compuerta.services.payment_ports import PaymentProvider, PresentationKind
from compuerta.services.tilling import CodeUnknown, Sale

# By what a code begins with, and how long it is: WeChat Pay 10 to 15, Alipay 25 to 30.
_BEGINNINGS: Mapping[str, tuple[range, range]] = MappingProxyType(
    {"wechat": (range(10, 16), range(18, 19)), "alipay": (range(25, 31), range(16, 25))}
)


def ways(organisation_id: int, currency: str) -> dict[str, PaymentProvider]:
    """Return the provider accounts that take codes in a currency, by the kind of provider."""
    kinds = {row.provider: row.kind for row in histories.provider_accounts(organisation_id)}
    return {
        kinds[name]: provider
        for name, provider in sorted(work.providers().items())
        if name in kinds
        and Flow.CODE in provider.capabilities.flows
        and currency in provider.capabilities.currencies
    }


def pay(sale: Sale, code: str, *, ways: Mapping[str, PaymentProvider], actor: Actor, now: datetime) -> None:
    """Sell by a code: paid at once, or once the customer has typed a password.

    Raises `Refused` where it is no code, or the provider refuses it. A provider that does not answer is asked
    again by whoever looks, and by the worker.
    """
    provider = _provider_of(code, ways)
    wanted = replace(sale, tenders={provider.name: sale.amount_minor})
    attempt = work.run(
        lambda store: tilling.open_by_phone(
            store, wanted, code=code, capabilities=provider.capabilities, actor=actor, now=now
        )
    )
    if attempt.presented is not None:
        return
    try:
        presentation = work.present(provider, attempt)
    except Unreachable:
        return
    paid = presentation.paid
    if presentation.kind is PresentationKind.PAID and paid is not None:
        work.run(lambda store: vend.accept_payments(store, [paid], now=now))
    else:
        work.run(lambda store: ordering.presented(store, attempt.attempt_id, presentation))


def follow(sale: SaleRow, *, organisation_id: int, now: datetime) -> None:
    """Say that somebody looks, so that the provider is asked often; what is paid has its number."""
    try:
        work.run(lambda store: ordering.watch(store, sale.attempt_id, now=now))
        work.run(lambda store: tilling.number_paid(store, sale.shift_id, organisation_id=organisation_id))
    except Unreachable:
        return  # the next look says it again


def _provider_of(code: str, ways: Mapping[str, PaymentProvider]) -> PaymentProvider:
    if code.isascii() and code.isdigit():
        for kind, (beginnings, lengths) in _BEGINNINGS.items():
            if kind in ways and len(code) in lengths and int(code[:2]) in beginnings:
                return ways[kind]
    raise CodeUnknown

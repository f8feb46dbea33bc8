"""Words for rights and roles, as people of the trade say them."""

from collections.abc import Mapping
from types import MappingProxyType

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.services.partner_port import DeliveryState, Event

register = template.Library()

RIGHTS: Mapping[str, Promise] = MappingProxyType(
    {
        "see": _("See meters and balances"),
        "sell": _("Sell at the till"),
        "cash": _("Take cash by machine"),
        "see_money": _("See books and others' sales"),
        "switch": _("Switch supply, help out"),
        "lock": _("Lock for safety"),
        "protect": _("Protect supply"),
        "move": _("Move tenants in and out"),
        "exchange": _("Exchange meters"),
        "commission": _("Commission meters"),
        "alarms": _("Look after alarms"),
        "warn": _("Settle warnings"),
        "draft_tariff": _("Draft tariffs"),
        "approve_tariff": _("Approve tariffs"),
        "assign_tariff": _("Move accounts between tariffs"),
        "propose_mass": _("Propose switching many"),
        "approve_mass": _("Approve switching many"),
        "settle": _("Settle supply policies"),
        "grant": _("Give and take roles, keys"),
        "audit": _("Read who did what"),
        "correct": _("Propose to put money right"),
        "approve_correction": _("Approve putting money right"),
        "supervise": _("Supervise shifts"),
        "keep_books": _("Keep the books"),
        "close_month": _("Close months for good"),
    }
)
ROLES: Mapping[str, Promise] = MappingProxyType(
    {
        "owner": _("Owner"),
        "manager": _("Manager"),
        "cashier": _("Cashier"),
        "accountant": _("Accountant"),
        "technician": _("Technician"),
        "resident": _("Resident"),
        "auditor": _("Auditor"),
    }
)


EVENTS: Mapping[str, Promise] = MappingProxyType(
    {
        Event.PAID.value: _("paid"),
        Event.CREDITED.value: _("in the meter"),
        Event.POWER.value: _("supply is on"),
        Event.FAILED.value: _("ended without money"),
        Event.RECEIPT.value: _("receipt handed out"),
        Event.DAY_CLOSED.value: _("day closed"),
        Event.MONTH_CLOSED.value: _("month closed"),
        Event.EXPORT_MADE.value: _("export made"),
    }
)
TELLINGS: Mapping[str, Promise] = MappingProxyType(
    {
        DeliveryState.WAITING.value: _("waiting"),
        DeliveryState.DONE.value: _("heard"),
        DeliveryState.GIVEN_UP.value: _("given up"),
    }
)


@register.filter
def right_word(right: str) -> str:
    """Return a right in the reader's language."""
    return str(RIGHTS.get(right, right))


@register.filter
def role_word(role: str) -> str:
    """Return a role in the reader's language; an organisation's own is called as it calls it."""
    return str(ROLES.get(role, role))


@register.filter
def event_word(event: str) -> str:
    """Return what a partner can be told of, in the reader's language."""
    return str(EVENTS.get(event, event))


@register.filter
def telling_word(state: str) -> str:
    """Return where a telling stands, in the reader's language."""
    return str(TELLINGS.get(state, state))

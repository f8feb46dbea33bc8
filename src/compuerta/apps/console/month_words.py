"""What is looked at before a month is closed, in words: where to go for it, and how refusals read."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.domain.errors import CompuertaError
from compuerta.services import month_close
from compuerta.services.period_port import Check, PeriodClosed


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckWords:
    """How a check is told, and the screen on which it is worked off."""

    name: Promise
    advice: Promise
    screen: str


CHECKS: Mapping[Check, CheckWords] = MappingProxyType(
    {
        Check.DAYS_OPEN: CheckWords(
            name=_("Days that are not done"),
            advice=_("A day is done some minutes after its midnight. Look which step it waits for."),
            screen="days",
        ),
        Check.DAYS_UNSEALED: CheckWords(
            name=_("Sites whose last day is not sealed"),
            advice=_("The last day is sealed when it is done."),
            screen="anchors",
        ),
        Check.SHIFTS_OPEN: CheckWords(
            name=_("Shifts that are not closed"),
            advice=_("Count the drawers, and accept what differs."),
            screen="shifts",
        ),
        Check.BILLS_WAITING: CheckWords(
            name=_("Bills of providers that are not there, or faulty"),
            advice=_("They come by themselves; a faulty one is fetched again."),
            screen="statements",
        ),
        Check.DIFFERENCES_OPEN: CheckWords(
            name=_("Differences to bills that nobody has decided"),
            advice=_("Say of each what came of it."),
            screen="statements",
        ),
        Check.BILLS_MISSING: CheckWords(
            name=_("Bills that never came"),
            advice=_("Ask the provider for them, or say why they are not there."),
            screen="statements",
        ),
        Check.FREEZES_MISSING: CheckWords(
            name=_("Midnights of meters that nobody knows"),
            advice=_("Their use is billed when they are reached again."),
            screen="days",
        ),
        Check.FREEZES_PROVISIONAL: CheckWords(
            name=_("Midnights of meters that are supposed"),
            advice=_("By the mean of the days before; the real ones replace them when they come."),
            screen="days",
        ),
        Check.SUSPENSE: CheckWords(
            name=_("Accounts with money that could not be placed"),
            advice=_("Find whose it is, or give it back."),
            screen="suspense",
        ),
        Check.CASES_OPEN: CheckWords(
            name=_("Cases that are open"),
            advice=_("Somebody has to look at each, and say what came of it."),
            screen="cases",
        ),
        Check.BANK_UNTIED: CheckWords(
            name=_("Entries of the bank that are tied to nothing"),
            advice=_("Tie each to what it is, or make it a case."),
            screen="bank",
        ),
    }
)
TOLD: Mapping[type[CompuertaError], Promise] = MappingProxyType(
    {
        month_close.MonthNotOver: _("This month is not over yet. It can be closed two hours after its end."),
        month_close.MonthOutOfOrder: _("Months are closed one after another: an earlier one is still open."),
        month_close.MonthBlocked: _(
            "Something has to be finished before this month is closed: see the list."
        ),
        PeriodClosed: _(
            "The books of that month are closed. A mistake in them is put right by a correction now."
        ),
    }
)

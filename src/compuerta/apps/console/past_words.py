"""How refusals of statements, as-of and pictures are told."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from compuerta.domain.errors import CompuertaError
from compuerta.services import asof, local_instants, owner_statements

TOLD: Final[Mapping[type[CompuertaError], Promise]] = MappingProxyType(
    {
        local_instants.InstantMalformed: gettext_lazy(
            "This is no date and time. Write for example 2026-05-03 10:00."
        ),
        local_instants.InstantSkipped: gettext_lazy(
            "The clock never showed this hour: summer time began. Choose an hour later."
        ),
        asof.InstantAhead: gettext_lazy("This lies ahead: nobody knows it yet. Choose an earlier moment."),
        owner_statements.MonthAhead: gettext_lazy("This month has not begun."),
        owner_statements.CurrenciesDiffer: gettext_lazy(
            "These sites have different currencies: choose one of them."
        ),
        owner_statements.SiteUnknown: gettext_lazy("Nobody has had an account there yet."),
    }
)

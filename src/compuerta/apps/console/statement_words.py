"""What bills and their differences are called on screens, what to do about each, and how refusals read."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.domain.errors import CompuertaError
from compuerta.services import agreeing, statement_days
from compuerta.services.agreeing import Outcome
from compuerta.services.refunding import HeardRefund
from compuerta.services.statement_port import StatementState, What
from compuerta.services.vend import Outcome as Vended

STATES: Mapping[str, Promise] = MappingProxyType(
    {
        StatementState.WAITING.value: _("not there yet"),
        StatementState.MATCHED.value: _("compared"),
        StatementState.EMPTY.value: _("no payments that day"),
        StatementState.MISSING.value: _("missing, though we have payments"),
        StatementState.FAULTY.value: _("wrong in itself, not used"),
    }
)
WHATS: Mapping[str, Promise] = MappingProxyType(
    {
        What.THEIRS_ONLY.value: _("Only the provider has it"),
        What.OURS_ONLY.value: _("Only we have it"),
        What.AMOUNT.value: _("Another amount"),
        What.REFERENCE.value: _("Another order"),
        What.TWICE.value: _("Listed twice"),
        What.REFUND_THEIRS_ONLY.value: _("A refund that only the provider has"),
        What.REFUND_OURS_ONLY.value: _("A refund that only we have"),
        What.OTHER_DAY.value: _("Of the day beside"),
        What.FUND_ONLY.value: _("Money moved without a payment"),
        What.TRADE_ONLY.value: _("A payment whose money did not move"),
        What.FUND_AMOUNT.value: _("Another amount moved"),
        What.FEE.value: _("Another fee was taken"),
        What.GAP.value: _("The account begins with other money"),
        What.MOVE.value: _("The account moved for an unknown reason"),
    }
)
WAITS = _("It may be in the bill of the next day: nothing to do until then.")
ADVICE: Mapping[str, Promise] = MappingProxyType(
    {
        What.THEIRS_ONLY.value: _("It is being credited, or goes into suspense: look there."),
        What.OURS_ONLY.value: _("Ask the provider where this money is. Until it is found, refund nothing."),
        What.AMOUNT.value: _("Ask the provider which amount is right, then put the account right."),
        What.REFERENCE.value: _("See whose order it was. If the wrong account got it, move the credit."),
        What.TWICE.value: _("It was credited once. Ask the provider to correct its bill."),
        What.REFUND_THEIRS_ONLY.value: _("Ask the provider which payment this refund was of."),
        What.REFUND_OURS_ONLY.value: _("Ask the provider whether the payer got this money."),
        What.OTHER_DAY.value: _("Nothing to do."),
        What.FUND_ONLY.value: _("Ask the provider which payment or refund this money is of."),
        What.TRADE_ONLY.value: _("Ask the provider when this money comes into the account."),
        What.FUND_AMOUNT.value: _("Ask the provider why another amount moved than its own bill says."),
        What.FEE.value: _("It is booked as it was taken. Ask the provider for what is too much."),
        What.GAP.value: _("A bill between is missing, or was changed: fetch both days again."),
        What.MOVE.value: _("Ask the provider what this is. Nothing was booked."),
    }
)
CHOICES: Mapping[str, Promise] = MappingProxyType(
    {
        Outcome.PUT_RIGHT.value: _("Put right here"),
        Outcome.PROVIDER_WRONG.value: _("The provider makes it good"),
        Outcome.BORNE.value: _("We bear it"),
    }
)
OUTCOMES: Mapping[str, Promise] = MappingProxyType(
    {
        **CHOICES,
        agreeing.OTHER_DAY: _("it was in the bill of the day beside"),
        agreeing.CHANGED: _("the bill was replaced"),
        agreeing.GIVEN_BACK: _("paid and given back on one day"),
        agreeing.NAMELESS: _("known already, without its name"),
        Vended.CREDITED.value: _("credited late"),
        Vended.ALREADY_CREDITED.value: _("was credited meanwhile"),
        Vended.CONTRADICTED.value: _("a case: told twice, differently"),
        Vended.AMOUNT_DIFFERS.value: _("in suspense: not the amount of the order"),
        Vended.ACCOUNT_CLOSED.value: _("in suspense: the account is closed"),
        Vended.OVER_LIMIT.value: _("in suspense: more than the account may have"),
        Vended.PAID_TWICE.value: _("in suspense: its order was paid twice"),
        Vended.REFERENCE_UNKNOWN.value: _("in suspense: no known order"),
        HeardRefund.SETTLED.value: _("the refund is done"),
        HeardRefund.ALREADY.value: _("known already"),
        HeardRefund.UNASKED.value: _("booked as given back unasked"),
        HeardRefund.NOTED.value: _("written down"),
    }
)
TOLD: Mapping[type[CompuertaError], Promise] = MappingProxyType(
    {
        agreeing.DifferenceUnknown: _("Somebody has ended this difference, or it waits for the next bill."),
        statement_days.StatementUnknown: _("There is no such bill."),
    }
)

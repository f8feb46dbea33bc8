"""What corrections are called on screens, what each will do, and how their refusals are told."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compuerta.domain.correction import CorrectionKind, CorrectionState, OwnProposal
from compuerta.domain.errors import CompuertaError
from compuerta.services import casework, correcting, indebting, proposing, refunding, withdrawing

KINDS: Mapping[str, Promise] = MappingProxyType(
    {
        CorrectionKind.PLACE.value: _("Place money"),
        CorrectionKind.MOVE.value: _("Wrong meter"),
        CorrectionKind.REFUND.value: _("Refund"),
        CorrectionKind.VOID.value: _("Sale undone"),
        CorrectionKind.ADJUST.value: _("Goodwill"),
        CorrectionKind.OPEN_DEBT.value: _("New debt"),
        CorrectionKind.WRITE_OFF.value: _("Debt written off"),
    }
)
STATES: Mapping[str, Promise] = MappingProxyType(
    {
        CorrectionState.PROPOSED.value: _("waits for a second person"),
        CorrectionState.REJECTED.value: _("not done"),
        CorrectionState.TAKING_BACK.value: _("credit is being taken back"),
        CorrectionState.PAYING.value: _("credit is back, money goes on"),
        CorrectionState.DONE.value: _("done"),
        CorrectionState.STUCK.value: _("stuck"),
    }
)
REFUND_OF_SUSPENSE = "refund_of_suspense"
# What approving it will do, spelled out for whoever decides.
EFFECTS: Mapping[str, Promise] = MappingProxyType(
    {
        CorrectionKind.PLACE.value: _("The money leaves suspense and recharges that account."),
        CorrectionKind.MOVE.value: _(
            "The credit is taken back first; only then the other account is recharged."
        ),
        CorrectionKind.REFUND.value: _("The credit is taken back first; only then the payer gets the money."),
        REFUND_OF_SUSPENSE: _("The money leaves suspense and goes back to its payer."),
        CorrectionKind.VOID.value: _("The sale is undone."),
        CorrectionKind.ADJUST.value: _("The account is given credit that nobody paid."),
        CorrectionKind.OPEN_DEBT.value: _("Recharges will recover this debt."),
        CorrectionKind.WRITE_OFF.value: _("The debt is not asked for any more."),
    }
)
TOLD: Mapping[type[CompuertaError], Promise] = MappingProxyType(
    {
        OwnProposal: _("You have proposed this: somebody else decides."),
        correcting.CorrectionUnknown: _("There is no such correction."),
        correcting.StateDiffers: _("It stands elsewhere by now. Look at it again."),
        correcting.RefundInDoubt: _(
            "The provider may still pay it. Take it up again, and wait for its answer."
        ),
        proposing.AmountNotFree: _("Less than this is free of the payment. Propose a smaller amount."),
        proposing.NotProposable: _("This cannot be proposed now: look at the payment and the account."),
        refunding.RefundImpossible: _("The provider does not give this back. Give it back in cash."),
        withdrawing.WithdrawalOpen: _("Credit is being taken back from this meter. Wait until that is done."),
        indebting.NoDebtor: _("Only a customer can owe something."),
        casework.CaseUnknown: _("Somebody has closed this case already."),
    }
)

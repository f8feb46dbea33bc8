"""What people do to what an account owes from before: put it off until an instant, or recover it again."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import wiring
from compuerta.apps.console import debt_reads, fields, histories, people, screens, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.views.meters import act_id_of, one
from compuerta.domain.division import Debt
from compuerta.domain.errors import Refused, Unreachable
from compuerta.services import indebting
from compuerta.services.indebting import DebtTerms


@require_POST
@for_people
def suspend(request: HttpRequest, person: Person, meter_id: int) -> HttpResponse:
    """Let recharges leave a debt alone until an instant; without one they recover it again."""
    meter, act_id, now = one(person, meter_id), act_id_of(request), wiring.now()
    if meter.account_id is None:
        raise Http404
    card = debt_reads.card(person, meter.account_id, now=now)
    if not card.may_change:
        raise PermissionDenied
    debt = _named(request, card)
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:500])
    try:
        terms = DebtTerms(
            account_id=debt.account_id,
            debt_id=debt.debt_id,
            share_ppm=debt.share_ppm,
            suspended_until=fields.instant(request.POST, "until", zone=meter.zone),
        )

        def changed(store: PostgresStore) -> Debt:
            return indebting.change_terms(store, terms, act_id=act_id, actor=actor, now=now)

        if not histories.was_done(person.organisation_id, act_id):
            work.run(changed)
    except (Refused, Unreachable) as error:
        # The same form twice at once: the slower finds that it is done.
        if not histories.was_done(person.organisation_id, act_id):
            messages.error(request, screens.told(error))
            return redirect("meter", meter.meter_id)
    messages.success(request, _("Written down. The next recharge follows it."))
    return redirect("meter", meter.meter_id)


def _named(request: HttpRequest, card: debt_reads.Card) -> Debt:
    try:
        debt_id = UUID(request.POST.get("debt_id", ""))
    except ValueError:
        raise Http404 from None
    found = [row.debt for row in card.rows if row.debt.debt_id == debt_id]
    if not found:
        raise Http404
    return found[0]

"""The inspection of a stage: its books against what meters, till, provider and carriers say themselves."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from compuerta.adapters.postgres import books
from compuerta.apps import town, wiring
from compuerta.apps.stage import MERCHANTS, Stage
from compuerta.domain.alarms import COUNTERS
from compuerta.drivers.abilities import Relay
from compuerta.services import promises
from compuerta.services.facts import LetterFact
from compuerta.services.promises import Books, Checked, MeterFact, ProviderFact, Purchase, World


def check(stage: Stage, *, settled: bool, before: Books | None = None) -> Mapping[str, Checked]:
    """Check every promise; `settled` asks the meters too, and holds only once the town is quiet.

    While money is on its way, books and meters cannot be seen at the same instant: then only what the
    providers have is asked, after the books, so that whatever is booked must be there.
    """
    held = books.load(stage.url, now=wiring.now())
    meters = tuple(_meter_fact(state) for state in stage.meters()) if settled else None
    world = World(
        meters=meters,
        provider=(*_provider_facts(stage), *_till_facts(stage), *stage.handed),
        letters=_letter_facts(stage),
    )
    return promises.check(held, world, now=wiring.now(), settled=settled, before=before)


def _meter_fact(state: Mapping[str, Any]) -> MeterFact:
    return MeterFact(
        meter_no=state["meter_no"],
        relay=Relay(state["relay"]),
        energy_wh=state["energy_wh"],
        balance_minor=state["balance_minor"],
        credited=tuple(
            Purchase(
                purchase_no=each["purchase_no"],
                amount_minor=each["amount_minor"],
                at=datetime.fromisoformat(each["credited_at"]),
            )
            for each in state["credited"]
        ),
        felt=frozenset(kind for kind, name in COUNTERS.items() if state["counts"].get(name, 0) > 0),
    )


def _letter_facts(stage: Stage) -> tuple[LetterFact, ...]:
    """Count what carriers took by our id, which mail carries as the left half of its Message-ID."""
    ids = (letter["message_id"].strip("<>").partition("@")[0] for letter in stage.letters())
    return tuple(LetterFact(message_id=UUID(key), times=times) for key, times in Counter(ids).items())


def _provider_facts(stage: Stage) -> list[ProviderFact]:
    return [
        ProviderFact(
            provider=provider,
            transaction_no=fact["transaction_no"],
            reference=fact["reference"],
            amount_minor=fact["amount_minor"],
            refunded_minor=fact["refunded_minor"],
            by_hand=fact["reference"] in stage.refunded_by_hand,
        )
        for provider in town.PROVIDERS
        if town.PROVIDERS[provider][0] in MERCHANTS
        for fact in stage.provider_facts(provider)
    ]


def _till_facts(stage: Stage) -> list[ProviderFact]:
    return [
        ProviderFact(
            provider="till",
            transaction_no=f"till:{reference}",
            reference=reference,
            amount_minor=amount_minor,
        )
        for reference, amount_minor in stage.cash_taken.copy().items()
    ]

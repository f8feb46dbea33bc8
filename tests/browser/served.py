"""The console as its own process for browser tests, with a WeChat Pay in software behind it.

`python -m tests.browser.served PORT [ways]` migrates and fills the database that DATABASE_URL names, writes
the building to its output as one line of JSON, and serves. An order of 66.66 finds the provider away.
With `ways`, three providers in software show what each flow shows, and WeChat tells who pays.
"""

import dataclasses
import json
import sys
from random import Random

import django
import uvicorn
from django.core.management import call_command
from django.urls import URLPattern
from tests.browser import pay_fakes
from tests.browser.building import a_building
from tests.unit.payments.wechat_side import a_cheap_pair

from compuerta.adapters.payments.http import Steps, converse_with
from compuerta.domain.access import Right, Role
from compuerta.domain.errors import Unreachable
from compuerta.services.payment_ports import HttpRequest, HttpResponse, Presentation

AWAY_FOR = b'"total":6666'
PASSWORD = "volta-302-abril"


class Away(Unreachable):
    """The provider in software was told to be away."""


def main(port: int, *, ways: bool = False) -> None:
    django.setup()
    call_command("migrate", verbosity=0)
    from compuerta.apps import wiring
    from compuerta.apps.console import asgi, people, work

    building = a_building(work.settings.DATABASE_URL, now=wiring.now())
    for name, language, rights in (
        ("ana", "es", (Right.SELL, Right.SWITCH, Right.DRAFT_TARIFF, Right.ASSIGN_TARIFF)),
        ("bruno", "en", (Right.DRAFT_TARIFF, Right.APPROVE_TARIFF)),
        ("paula", "en", (Right.SWITCH, Right.PROPOSE_MASS)),
        ("quim", "en", (Right.SWITCH, Right.PROPOSE_MASS, Right.APPROVE_MASS)),
        ("guest", "en", ()),
        ("guessed", "en", ()),
    ):
        people.add_person(
            name,
            password=PASSWORD,
            organisation_id=building.organisation_id,
            language=language,
            rights=rights,
        )
    people.add_person(
        "tomas",
        password=PASSWORD,
        organisation_id=building.organisation_id,
        roles=("technician",),
    )
    people.add_person(
        "marta",
        password=PASSWORD,
        organisation_id=building.organisation_id,
        language="en",
        roles=("manager",),
    )
    people.add_person(
        "olga",
        password=PASSWORD,
        organisation_id=building.other_organisation_id,
        language="en",
        rights=(Right.DRAFT_TARIFF,),
    )
    for role in Role:
        people.add_person(
            role.value, password=PASSWORD, organisation_id=building.organisation_id, roles=(role.value,)
        )
    world, provider = a_cheap_pair(seed=Random().randrange(2**32))

    def answer(request: HttpRequest) -> HttpResponse:
        if AWAY_FOR in request.body.replace(b" ", b""):
            raise Away
        return world.answer(request, wiring.now())

    def talk(name: str, steps: Steps[Presentation]) -> Presentation:
        return converse_with(steps, answer)

    outside = work.Outside(providers={provider.name: provider}, talk=talk)
    if ways:
        outside = pay_fakes.outside(work.settings.DATABASE_URL, building)
    app = asgi.application_for(outside)
    told = {**dataclasses.asdict(building), "routes": routes()}
    sys.stdout.write(json.dumps(told, default=str) + "\n")
    sys.stdout.flush()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off")


def routes() -> dict[str, str]:
    """Return the routes of all screens, by name; what has none redirects, or is the list of sign-ins."""
    from compuerta.apps.console.urls import urlpatterns

    named = [each for each in urlpatterns if isinstance(each, URLPattern) and each.name]
    return {str(each.name): str(each.pattern) for each in named}


if __name__ == "__main__":
    main(int(sys.argv[1]), ways="ways" in sys.argv[2:])

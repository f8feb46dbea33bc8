"""The console as its own process for browser tests, with a WeChat Pay in software behind it.

`python -m tests.browser.served PORT`; DATABASE_URL and COMPUERTA_SECRET_KEY come from the environment.
An order of 66.66 finds the provider down.
"""

import sys
from random import Random

import uvicorn
from tests.unit.payments.wechat_side import a_cheap_pair

from compuerta.adapters.payments.http import Steps, converse_with
from compuerta.apps.console import asgi, work
from compuerta.domain.errors import Unreachable
from compuerta.services.payment_ports import HttpRequest, HttpResponse, Presentation

DOWN_FOR = b'"total":6666'


class Away(Unreachable):
    """The provider in software was told to be away."""


def main(port: int) -> None:
    world, provider = a_cheap_pair(seed=Random().randrange(2**32))

    def answer(request: HttpRequest) -> HttpResponse:
        if DOWN_FOR in request.body.replace(b" ", b""):
            raise Away
        return world.request(request, work.now())

    def talk(name: str, steps: Steps[Presentation]) -> Presentation:
        return converse_with(steps, answer)

    app = asgi.application_for(work.Outside(providers={provider.name: provider}, talk=talk))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off")


if __name__ == "__main__":
    main(int(sys.argv[1]))

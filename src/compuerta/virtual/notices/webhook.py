"""An app that is told by webhook: it checks the signature, and takes each id once."""

import json
from datetime import datetime

from compuerta.services.payment_ports import HttpRequest, HttpResponse
from compuerta.virtual.notices.world import NoticesWorld, Received
from compuerta.wire.webhook import signature


class AppSide:
    """One app with its key."""

    def __init__(self, world: NoticesWorld, *, key: bytes) -> None:
        self._world = world
        self._key = key

    def answer(self, request: HttpRequest, *, now: datetime) -> HttpResponse:
        """Answer a webhook; a repeated id is answered as it was the first time."""
        tally = self._world.tallies["webhook"]
        tally.asked += 1
        signed = request.headers.get(signature.HEADER, "")
        if not signature.is_genuine(request.body, signed, key=self._key, now=now):
            tally.forged += 1
            return HttpResponse(status=401)
        if refuses_with := self._world.behaviour("webhook").refuses_with:
            return HttpResponse(status=int(refuses_with))
        said = json.loads(request.body)
        message_id = request.headers.get(signature.ID_HEADER, "")
        if message_id != said["id"]:
            return HttpResponse(status=400)
        if self._world.known("webhook", message_id) is not None:
            tally.repeated += 1
            return HttpResponse(status=200)
        self._world.take(
            Received(
                carrier="webhook",
                at=now,
                to=said["to"],
                message_id=message_id,
                template=said["template"],
                subject=said["subject"],
                body=said["body"],
                fields=said["fields"],
            )
        )
        return HttpResponse(status=200)

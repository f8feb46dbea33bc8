"""Words for an app: a signed JSON POST to its one address, with the message id as its idempotency key.

The app is asked to keep each id for two days and to answer a repeated one as it did the first; so whatever is
unknown is sent again.
"""

import json
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from compuerta.adapters.notify.answers import asked, senseless
from compuerta.services.notifier_port import Letter, Sent, Verdict
from compuerta.services.payment_ports import Chance, HttpRequest, HttpResponse
from compuerta.wire.webhook import signature

_NEVER_TAKEN: Final = frozenset({400, 404, 410, 413, 422})  # about this letter, and for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """See `notifier_port.HttpNotifier`."""

    path: str  # and query, of the app's address
    key: bytes = field(repr=False)
    repeat_within: timedelta = timedelta(days=2)

    def send(
        self, letter: Letter, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Sent]:
        """Hand a letter to the app."""
        body = json.dumps(
            {
                "id": str(letter.message_id),
                "to": letter.address,
                "template": letter.template,
                "language": letter.language,
                "subject": letter.subject,
                "body": letter.body,
                "fields": dict(letter.fields),
            },
            ensure_ascii=False,
        ).encode()
        headers = {
            "content-type": "application/json",
            signature.ID_HEADER: str(letter.message_id),
            signature.HEADER: signature.header_of(body, key=self.key, now=now),
        }
        answer = yield from asked(HttpRequest(method="POST", path=self.path, headers=headers, body=body))
        return answer if isinstance(answer, Sent) else _verdict(answer, letter)


def _verdict(response: HttpResponse, letter: Letter) -> Sent:
    detail = f"HTTP {response.status}"
    if 200 <= response.status < 300:
        return Sent(verdict=Verdict.ACCEPTED, provider_id=str(letter.message_id), detail=detail)
    if response.status in _NEVER_TAKEN:
        return Sent(verdict=Verdict.REFUSED, detail=detail)
    return senseless(response)

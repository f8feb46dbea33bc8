"""Staff, by whatever their team reads: over a hundred services through the library Apprise.

It tells of no message id and of no receipt, so it is fit for alarms to staff and for nothing that has to be
shown to have come. A target is a name in channels.json: its address holds a key, and is in no row and no log.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from apprise import Apprise
from apprise.result import AppriseResultStatus

from compuerta.services.notifier_port import Letter, Sent, Verdict
from compuerta.services.payment_ports import Chance

NOTIFY_S_MAX: Final = 15.0
# They write words, and addresses that hold keys; the verdict says what went wrong.
for _name in ("apprise", "urllib3"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class AppriseStaff:
    """See `carrier.Carrier`."""

    repeat_within = timedelta(0)

    def __init__(self, targets: Mapping[str, str], *, notify_s_max: float = NOTIFY_S_MAX) -> None:
        self._targets = targets
        self._notify_s_max = notify_s_max

    async def send(self, letter: Letter, *, now: datetime, chance: Chance) -> Sent:
        """Hand a letter to the service of a target."""
        url = self._targets.get(letter.address)
        if url is None:
            return Sent(verdict=Verdict.REFUSED, detail="channels.json has no such target")
        service = Apprise()
        service.add(url)
        try:
            async with asyncio.timeout(self._notify_s_max):
                result = await service.async_notify(title=letter.subject, body=letter.body)
        except TimeoutError:
            return Sent(verdict=Verdict.UNKNOWN, detail="no answer in time", healthy=False)
        match result.status:
            case AppriseResultStatus.SUCCESS:
                return Sent(verdict=Verdict.ACCEPTED, detail="OK")
            case AppriseResultStatus.TIMEOUT:
                return Sent(verdict=Verdict.UNKNOWN, detail="no answer in time", healthy=False)
            case _:
                # Apprise does not tell a no from a silence: staff may be told twice rather than never.
                return Sent(verdict=Verdict.LATER, detail="the service did not take it", healthy=False)


def is_target(url: str) -> bool:
    """Tell whether Apprise knows a service by this address."""
    return bool(Apprise().add(url))

"""What the carriers of words have received, and how they behave: whoever tests or shows sending looks here.

Each judges as the real one does: signatures, tokens, numbers, repeated ids. A behaviour makes it refuse, fall
silent after it took a letter, or talk nonsense.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Final

from compuerta.domain.errors import Refused

RECEIVED_MAX: Final = 10_000  # kept; beyond it the oldest go
_BY_NUMBER: Final = frozenset({"wechat", "webhook"})
_NUMBER = re.compile(r"-?[0-9]{1,6}", re.ASCII)
CARRIERS: Final = ("smtp", "aliyun", "wechat", "webhook")


class BehaviourFaulty(Refused):
    """A behaviour that no carrier has; the field is named."""

    def __init__(self, field_name: str, reason: str) -> None:
        super().__init__(f"{field_name}: {reason}")
        self.field = field_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A letter that a carrier took, as it understood it."""

    carrier: str
    at: datetime
    to: str
    message_id: str
    subject: str = ""
    body: str = ""
    template: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    provider_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a carrier behaves."""

    refuses_with: str = ""  # Aliyun's code, WeChat's errcode, an HTTP status, an SMTP reply
    silent: bool = False  # takes the letter and never answers
    nonsense: bool = False  # takes the letter and answers what is none of its words
    endless: bool = False  # takes the letter and answers more than anybody wants to read
    undeliverable: bool = False  # its receipts say that nothing came


@dataclass(slots=True)
class Tally:
    """What came to a carrier: asked, taken, and those repeated that it knew by their id."""

    asked: int = 0
    taken: int = 0
    repeated: int = 0
    forged: int = 0


class NoticesWorld:
    """The state of all carriers."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.tallies = {carrier: Tally() for carrier in CARRIERS}
        self._behaviours = {carrier: Behaviour() for carrier in CARRIERS}
        self._numbers = 0

    def behaviour(self, carrier: str) -> Behaviour:
        """Return how a carrier behaves."""
        return self._behaviours[carrier]

    def behave(self, carrier: str, wish: Mapping[str, object]) -> None:
        """Change how a carrier behaves; what is not named is as it should be."""
        if carrier not in self._behaviours:
            raise BehaviourFaulty("carrier", f"{carrier!r} is not one of {', '.join(CARRIERS)}")
        kinds = {each.name: str if each.name == "refuses_with" else bool for each in fields(Behaviour)}
        for name, value in wish.items():
            if name not in kinds or not isinstance(value, kinds[name]):
                raise BehaviourFaulty(name, "is no behaviour, or not of its kind")
        code = wish.get("refuses_with")
        if code and carrier in _BY_NUMBER and not _NUMBER.fullmatch(str(code)):
            raise BehaviourFaulty("refuses_with", f"{carrier} refuses by a number")
        self._behaviours[carrier] = replace(Behaviour(), **wish)  # type: ignore[arg-type]  # checked above

    def take(self, letter: Received) -> Received:
        """Keep a letter and return it with the carrier's id."""
        self._numbers += 1
        kept = replace(letter, provider_id=letter.provider_id or f"{letter.carrier}-{self._numbers}")
        self.tallies[letter.carrier].taken += 1
        self.received.append(kept)
        del self.received[:-RECEIVED_MAX]
        return kept

    def known(self, carrier: str, message_id: str) -> Received | None:
        """Return the letter that a carrier has taken by this id before."""
        found = (each for each in self.received if (each.carrier, each.message_id) == (carrier, message_id))
        return next(found, None)

    def shown(self) -> dict[str, object]:
        """Return all that a test or a page may want to see."""
        return {
            "received": [{**asdict(each), "at": each.at.isoformat()} for each in self.received],
            "tallies": {carrier: asdict(tally) for carrier, tally in self.tallies.items()},
            "behaviours": {carrier: asdict(each) for carrier, each in self._behaviours.items()},
        }

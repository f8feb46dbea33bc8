"""The port to those who carry words, without I/O where they are reached over HTTP.

A letter is handed over once per claim. What a carrier answers is one of five verdicts, since whoever decides
what comes next needs to know one thing above all: whether the words may be on their way already.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol
from uuid import UUID

from compuerta.services.payment_ports import Chance, HttpRequest, HttpResponse


class Verdict(Enum):
    """What became of a letter that was handed over."""

    ACCEPTED = "accepted"  # the carrier has it
    REFUSED = "refused"  # for ever: no such address, or words that the carrier does not take
    UNWANTED = "unwanted"  # the person has told the carrier that they want none of ours
    LATER = "later"  # nothing was taken: throttled, down, or our account there is not in order
    UNKNOWN = "unknown"  # it was handed over, and no answer came: it may be on its way


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a carrier is given; the message id is the same at every try."""

    message_id: UUID
    address: str
    language: str
    template: str
    fields: Mapping[str, str]
    subject: str
    body: str
    code: str = ""  # the carrier's number of an approved template, where the organisation has its own
    opt_out_url: str = ""  # where the person says that they want no more of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A carrier's answer; `detail` is for people, and holds neither keys nor addresses."""

    verdict: Verdict
    provider_id: str = ""  # by which the carrier's receipts name the letter
    detail: str = ""
    healthy: bool = True  # False: the carrier itself, not this letter, is the trouble


class HttpNotifier(Protocol):
    """One account at one carrier that is reached over HTTP."""

    @property
    def repeat_within(self) -> timedelta:
        """For how long sending the same message id again is harmless; zero where it never is."""
        ...

    def send(
        self, letter: Letter, *, now: datetime, chance: Chance
    ) -> Generator[HttpRequest, HttpResponse, Sent]:
        """Hand a letter over; never raises because of what the carrier says."""
        ...

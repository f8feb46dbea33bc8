"""What an answer over HTTP says of a letter where the carrier's own words are not there, or make no sense."""

import json
from collections.abc import Generator, Mapping
from typing import Final

from compuerta.adapters.payments.http import RoadDown, RoadShut
from compuerta.domain.errors import Unreachable
from compuerta.services.notifier_port import Sent, Verdict
from compuerta.services.payment_ports import HttpRequest, HttpResponse

DETAIL_CHARS_MAX: Final = 200  # of a carrier's words; enough to know the trouble
_BUSY: Final = (429, 503)  # by RFC 6585 and RFC 9110: not done, come again


def asked(request: HttpRequest) -> Generator[HttpRequest, HttpResponse, HttpResponse | Sent]:
    """Send a request and return its answer, or the verdict where no answer came."""
    try:
        return (yield request)
    except RoadShut as error:
        return Sent(verdict=Verdict.LATER, detail=str(error), healthy=False)
    except Unreachable as error:
        reason = error.reason if isinstance(error, RoadDown) else str(error)
        return Sent(verdict=Verdict.UNKNOWN, detail=f"handed over, no answer: {reason}", healthy=False)


def senseless(response: HttpResponse) -> Sent:
    """Return the verdict on an answer that is none of the carrier's: the status alone has to tell."""
    detail = f"HTTP {response.status} without the carrier's own words"
    if response.status in _BUSY:
        return Sent(verdict=Verdict.LATER, detail=detail, healthy=False)
    if 300 <= response.status < 500:  # whoever it was did not take it
        return Sent(verdict=Verdict.LATER, detail=detail, healthy=False)
    # A gateway that gives up, or a success that says nothing: the carrier may have it.
    return Sent(verdict=Verdict.UNKNOWN, detail=detail, healthy=False)


def object_in(response: HttpResponse) -> Mapping[str, object] | None:
    """Return the JSON object of an answer; None where it is none."""
    try:
        found = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def told(code: object, words: object) -> str:
    """Return a carrier's code and words as people may read them later: on one line, and short."""
    return plain(" ".join(f"{code}: {words}".split()))


def plain(text: object) -> str:
    """Return a stranger's text as our rows can hold it: short, whole characters, and none that steer."""
    whole = str(text)[:DETAIL_CHARS_MAX].encode("utf-8", errors="replace").decode("utf-8")
    return "".join(letter for letter in whole if letter.isprintable())

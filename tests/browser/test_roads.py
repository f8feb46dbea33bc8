"""The roads board: what is dead comes first, ways are put in another order once, a key is shown once."""

import re
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import httpx
import pytest
from tests.browser.conftest import Console, a_window

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
SLEEPER = "sleeper-7"


@pytest.fixture
def fitter(console: Console) -> Iterator[httpx.Client]:
    """A technician, beside whose ends is one that sleeps on NB-IoT."""
    console.rows(
        """insert into endpoint (endpoint_id, organisation_id, road, bearer, address)
        values (%s, 1, 'nbiot', 'coap', 'nb-7') on conflict do nothing""",
        SLEEPER,
    )
    console.rows(
        """insert into endpoint_state
            (endpoint_id, alive, gateway, changed_at, next_contact_at, lost_reason, rsrp_dbm)
        values (%s, false, 'g1', now(), now() + interval '1 hour', 'asleep', -112) on conflict do nothing""",
        SLEEPER,
    )
    with closing(a_window(console, "technician")) as window:
        yield window


def sent(window: httpx.Client, address: str, **form: object) -> httpx.Response:
    token = {"csrfmiddlewaretoken": window.cookies["csrftoken"]}
    return window.post(address, data={**token, **form}, follow_redirects=True)


def ways_of(console: Console, meter_id: int) -> list[object]:
    own = console.rows("select endpoint_id from meter where meter_id = %s", meter_id)
    further = console.rows("select endpoint_id from meter_way where meter_id = %s order by rank", meter_id)
    return [end for (end,) in [*own, *further]]


def test_the_dead_come_first_and_a_sleeper_tells_until_when(fitter: httpx.Client) -> None:
    page = fitter.get("/roads/").text
    of_one_road = fitter.get("/roads/?road=nbiot", headers={"HX-Request": "true"}).text

    ends = re.findall(r'href="/roads/ends/([^"]+)"><span', page)
    assert ends[0] == "4g-302"
    assert SLEEPER in ends
    assert re.findall(r'href="/roads/ends/([^"]+)"><span', of_one_road) == [SLEEPER]
    assert "until about" in of_one_road and "-112 dBm" in of_one_road
    assert "Who knocks in vain" not in page


def test_the_ways_of_a_meter_are_put_in_another_order_once(console: Console, fitter: httpx.Client) -> None:
    meter_id = console.flats[7].meter_id
    (own,) = ways_of(console, meter_id)
    form = {"act_id": str(uuid4()), "endpoint_id": own, "why": "the bus is noisy"}

    told = sent(fitter, f"/roads/ways/{meter_id}", **form, way=[SLEEPER, own, ""])
    again = sent(fitter, f"/roads/ways/{meter_id}", **form, way=[own])
    ways = ways_of(console, meter_id)
    refused = sent(fitter, f"/roads/ways/{meter_id}", **form | {"act_id": str(uuid4())}, way=["nowhere"])

    assert (told.status_code, again.status_code) == (200, 200)
    assert "are settled" in told.text
    assert ways == ways_of(console, meter_id) == [SLEEPER, own]
    assert "There is no such end of a road." in refused.text


def test_a_renewed_key_is_shown_once(console: Console, fitter: httpx.Client) -> None:
    ((generation,),) = console.rows("select key_generation from endpoint where endpoint_id = %s", SLEEPER)
    address, form = f"/roads/keys/{SLEEPER}", {"generation": generation, "why": "the module was stolen"}
    with closing(a_window(console, "manager")) as manager:
        shown = sent(manager, address, **form)
        again = sent(manager, address, **form)

    key = re.search(r"<b>([0-9a-f]{64})</b>", shown.text)
    assert key is not None and shown.headers["Cache-Control"] == "no-store"
    assert "renewed already" in again.text and key[1] not in again.text
    after = console.rows("select key_generation from endpoint where endpoint_id = %s", SLEEPER)
    assert after == [(int(str(generation)) + 1,)]

"""The machines' API against a real database: what it answers, what it refuses, and whose rows it shows."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.door import OTHERS_METER_NO, Place, a_client, at_once, bearer, rows

from compuerta.apps import town
from compuerta.apps.api.keys import make_key

pytestmark = pytest.mark.postgres

SOME_ID = UUID("7b0f2a52-3d0e-4a55-8c3e-000000000001")
READS = (
    "/meters", "/meters/202611220001", "/accounts", "/accounts/1", "/accounts/1/recharges",
    f"/recharges/{SOME_ID}",
)  # fmt: skip
NOWHERE = "host=/nowhere dbname=nothing"


@pytest.fixture
def street_is_up(place: Place) -> Iterator[None]:
    yield
    place.street.away = False


# who may ask ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize(
    "headers",
    [{}, bearer("cpt_forged"), {"authorization": "Bearer ключ".encode()}, {"authorization": "Basic YTpi"}],
)
def test_without_a_key_nothing_is_told(place: Place, path: str, headers: dict[str, Any]) -> None:
    answer = place.client.get(f"/api/v1{path}", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert set(answer.json()) == {"detail"}


def test_without_a_key_nothing_is_sold(place: Place) -> None:
    before = place.count("attempt")

    answer = place.recharge(place.home.account_id, key="cpt_forged")

    assert answer.status_code == 401
    assert place.count("attempt") == before


def test_a_revoked_key_is_no_key(place: Place) -> None:
    key = make_key(place.url, name="old", organisation_id=place.organisation_id, scopes=[])
    before = place.ask("/meters", key=key)
    with psycopg.connect(place.url) as connection:
        connection.execute("update api_key set revoked_at = now() where name = 'old'")

    assert (before.status_code, place.ask("/meters", key=key).status_code) == (200, 401)


def test_a_key_that_may_only_read_sells_nothing(place: Place) -> None:
    before = place.count("attempt")

    answer = place.recharge(place.home.account_id, key=place.reading_key)

    assert (answer.status_code, answer.json()) == (403, {"detail": "this API key may not sell"})
    assert place.count("attempt") == before


# reading ----------------------------------------------------------------------------------------------------


def test_meters_are_listed_page_by_page_and_only_ones_own(place: Place) -> None:
    seen: list[str] = []
    for _ in range(5):
        page = place.ask("/meters", params={"after": seen[-1] if seen else "", "limit": 8}).json()
        seen += [meter["meter_no"] for meter in page]
        if len(page) < 8:
            break

    assert seen == sorted(home.meter_no for home in place.homes)
    assert OTHERS_METER_NO not in seen
    assert [meter["meter_no"] for meter in place.ask("/meters", key=place.neighbours_key).json()] == [
        OTHERS_METER_NO
    ]


def test_a_meter_tells_what_is_known_of_it(place: Place) -> None:
    meter = place.ask(f"/meters/{place.home.meter_no}").json()

    assert (meter["account_id"], meter["supply_point"]) == (place.home.account_id, place.home.supply_point)
    assert (meter["road"], meter["credit_authority"], meter["reachable"]) == ("4g", "meter", False)
    assert (meter["relay"], meter["balance_minor"], meter["energy_wh"], meter["read_at"]) == (None,) * 4


def test_accounts_are_listed_page_by_page_and_only_ones_own(place: Place) -> None:
    first = place.ask("/accounts", params={"limit": 15}).json()
    rest = place.ask("/accounts", params={"limit": 15, "after": first[-1]["account_id"]}).json()

    assert [each["account_id"] for each in first + rest] == sorted(home.account_id for home in place.homes)
    assert place.ask(f"/accounts/{place.home.account_id}").json() == first[0]
    assert (first[0]["tariff"], first[0]["currency"]) == (f"Flat {town.PRICE_STORY}", "CNY")


@pytest.mark.parametrize("kind", ["meter", "account", "recharges", "recharge", "sale"])
def test_another_organisations_things_are_not_there(place: Place, kind: str) -> None:
    """Promise A1: neither read nor changed, and no word whether it exists."""
    sold = uuid4()
    assert (
        place.recharge(
            place.neighbour.account_id, key=place.neighbours_key, attempt_id=sold, provider="till-2"
        ).status_code
        == 200
    )
    before = place.count("attempt")
    theirs = place.neighbour.account_id

    answer = {
        "meter": lambda: place.ask(f"/meters/{OTHERS_METER_NO}"),
        "account": lambda: place.ask(f"/accounts/{theirs}"),
        "recharges": lambda: place.ask(f"/accounts/{theirs}/recharges"),
        "recharge": lambda: place.ask(f"/recharges/{sold}"),
        "sale": lambda: place.recharge(theirs),
    }[kind]()

    assert (answer.status_code, answer.json()) == (
        404,
        {"detail": "there is no such thing in your organisation"},
    )
    assert place.count("attempt") == before


@pytest.mark.parametrize(
    "path",
    [
        "/meters/000000000000",
        "/accounts/999999",
        "/accounts/999999/recharges",
        f"/recharges/{SOME_ID}",
        f"/accounts/{2**63 - 1}",
    ],
)
def test_what_is_not_there_is_404(place: Place, path: str) -> None:
    assert place.ask(path).status_code == 404


def test_the_suspense_account_is_no_customers(place: Place) -> None:
    (suspense,) = rows(
        place.url, "select suspense_account_id as id from provider_account where provider = 'wechat'"
    )

    assert place.ask(f"/accounts/{suspense['id']}").status_code == 404
    assert place.recharge(suspense["id"]).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/meters/1", "/meters/20261122000A", "/meters/%00", "/meters/２０２６１１２２０００１",
        "/meters?limit=0", "/meters?limit=201", "/meters?after=2026112200011",
        "/accounts/0", "/accounts/-1", "/accounts/1.5", f"/accounts/{2**63}",
        f"/accounts/{'9' * 5_000}", "/accounts?after=-1", f"/accounts?after={2**63}",
        "/recharges/1", "/recharges/%00", "/accounts/%00/recharges",
    ],
)  # fmt: skip
def test_malformed_questions_are_refused_by_the_fields_name(place: Place, path: str) -> None:
    answer = place.ask(path)

    assert answer.status_code == 422
    assert re.match(r"(path|query)\.[a-z_]+: ", answer.json()["detail"])


def test_a_page_may_begin_after_anything(place: Place) -> None:
    assert place.ask("/meters", params={"after": "\x00"}).status_code == 200
    assert place.ask("/meters", params={"after": "电表"}).json() == []


# recharging -------------------------------------------------------------------------------------------------


def test_an_order_is_shown_to_its_payer_and_ordered_once(place: Place) -> None:
    attempt_id, before = uuid4(), len(place.street.asked)

    first = place.recharge(place.home.account_id, attempt_id=attempt_id)
    again = place.recharge(place.home.account_id, attempt_id=attempt_id)

    assert first.status_code == 200
    assert first.json()["presented"].startswith("weixin://")
    assert (first.json()["state"], first.json()["paid_at"]) == ("presented", None)
    assert again.json() == first.json() == place.ask(f"/recharges/{attempt_id}").json()
    assert len(place.street.asked) == before + 1
    assert first.json() in place.ask(f"/accounts/{place.home.account_id}/recharges").json()


def test_cash_is_credited_at_once_and_once(place: Place) -> None:
    account_id, attempt_id = place.homes[1].account_id, uuid4()

    first = place.recharge(account_id, attempt_id=attempt_id, provider="till")
    again = place.recharge(account_id, attempt_id=attempt_id, provider="till")

    assert first.status_code == again.status_code == 200
    assert (first.json()["state"], first.json()["verdict"]) == ("paid", "credited")
    assert again.json() == first.json()
    assert place.credited_minor(account_id) == 5_000
    assert place.ask(f"/accounts/{account_id}").json()["undelivered_minor"] == 5_000


def test_a_key_that_may_only_sell_takes_no_cash(place: Place) -> None:
    account_id = place.homes[1].account_id
    key = make_key(place.url, name="app", organisation_id=place.organisation_id, scopes=["sell"])
    before = place.credited_minor(account_id)

    refused = place.recharge(account_id, key=key, provider="till")

    assert (refused.status_code, refused.json()["detail"]) == (403, "this API key may not take cash")
    assert place.credited_minor(account_id) == before
    assert place.recharge(account_id, key=key).status_code == 200


def test_the_same_wish_many_times_at_once_credits_once(place: Place) -> None:
    account_id, attempt_id = place.homes[2].account_id, uuid4()

    answers = at_once(8, lambda: place.recharge(account_id, attempt_id=attempt_id, provider="till"))

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["verdict"] for answer in answers} == {"credited"}
    assert place.credited_minor(account_id) == 5_000


@pytest.mark.usefixtures("street_is_up")
def test_after_a_provider_that_did_not_answer_the_same_wish_succeeds(place: Place) -> None:
    account_id, attempt_id = place.homes[3].account_id, uuid4()
    place.street.away = True

    failed = place.recharge(account_id, attempt_id=attempt_id)
    between = place.ask(f"/recharges/{attempt_id}")
    place.street.away = False
    again = place.recharge(account_id, attempt_id=attempt_id)

    assert failed.status_code == 503
    assert (between.json()["state"], between.json()["presented"]) == ("created", None)
    assert (again.status_code, again.json()["state"]) == (200, "presented")
    assert len(rows(place.url, "select 1 from attempt where attempt_id = %s", attempt_id)) == 1


def test_who_ordered_is_written_once(place: Place) -> None:
    attempt_id = uuid4()

    for _ in range(2):
        place.recharge(place.home.account_id, attempt_id=attempt_id, provider="till")

    (audit,) = rows(place.url, "select * from audit where audit_id = %s", attempt_id)
    assert (audit["who"], audit["what"]) == ("API key shop", "order recharge")
    assert audit["organisation_id"] == place.organisation_id
    assert audit["after"] == "50.00 CNY by till"


@pytest.mark.parametrize("other", [{"amount_minor": 5_001}, {"provider": "till"}, {"provider": "no such"}])
@pytest.mark.usefixtures("street_is_up")
def test_another_wish_with_the_same_id_is_a_conflict(place: Place, other: dict[str, Any]) -> None:
    for away in (True, False):  # before and after the provider knows of the first
        attempt_id = uuid4()
        place.street.away = away
        place.recharge(place.home.account_id, attempt_id=attempt_id)

        answer = place.recharge(place.home.account_id, attempt_id=attempt_id, **other)

        assert answer.status_code == 409
        assert place.ask(f"/recharges/{attempt_id}").json()["amount_minor"] == 5_000


def test_the_same_id_for_another_account_is_a_conflict(place: Place) -> None:
    attempt_id = uuid4()
    place.recharge(place.home.account_id, attempt_id=attempt_id)

    assert place.recharge(place.homes[4].account_id, attempt_id=attempt_id).status_code == 409


def test_another_organisations_id_is_a_conflict_and_its_order_stays_as_it_is(place: Place) -> None:
    attempt_id = uuid4()
    ours = place.recharge(place.home.account_id, attempt_id=attempt_id).json()

    answer = place.recharge(
        place.neighbour.account_id, key=place.neighbours_key, attempt_id=attempt_id, provider="till-2"
    )

    assert answer.status_code == 409
    assert ours["reference"] not in answer.text
    assert place.ask(f"/recharges/{attempt_id}").json() == ours


@pytest.mark.parametrize("provider", ["till-2", "alipay", "till\x00", "\ud800", "收银台"])
def test_a_provider_that_is_not_ones_own_takes_no_money(place: Place, provider: str) -> None:
    """Another organisation's merchant account would keep the money for our electricity."""
    before = place.count("attempt")

    answer = place.recharge(place.home.account_id, provider=provider)

    assert answer.status_code == 422
    assert place.count("attempt") == before


def test_a_currency_that_the_provider_does_not_take_is_refused(place: Place) -> None:
    answer = place.recharge(place.neighbour.account_id, key=place.neighbours_key, provider="till-mxn")

    assert answer.status_code == 422
    assert "does not take CNY" in answer.json()["detail"]


@pytest.mark.parametrize("amount_minor", [1, 99, 1_000_001, 2**63 - 1])
def test_an_amount_out_of_bounds_is_refused_with_the_bounds(place: Place, amount_minor: int) -> None:
    answer = place.recharge(place.home.account_id, amount_minor=amount_minor)

    assert answer.status_code == 422
    assert answer.json()["detail"] == "a recharge is between 1.00 and 10000.00 CNY"


@pytest.mark.parametrize("amount_minor", [0, -5_000, 2**63, 10**4_000, 50.0, "5000", True, None, [5_000], {}])
def test_what_is_no_amount_is_refused_by_the_fields_name(place: Place, amount_minor: object) -> None:
    answer = place.recharge(place.home.account_id, amount_minor=amount_minor)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("body.amount_minor: ")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 422), (b"{", 422), (b"null", 422), (b"[]", 422), (b"7", 422), (b'"x"', 422), (b"\xff", 400),
        (b'{"amount_minor": NaN}', 422), (b'{"amount_minor": 1e999}', 422),
        (b'{"amount_minor": -Infinity}', 422),
        (b'{"a": ' + b"9" * 5_000 + b"}", 400), (b"[" * 10_000, 400), (b'{"\\ud800": 1}', 422),
        (b'{"provider": "\\ud800"}', 422), (b'{"attempt_id": "\\u0000"}', 422), (b'{"\x00": 1}', 422),
    ],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
def test_a_malformed_body_is_refused_in_words(place: Place, body: bytes, code: int) -> None:
    answer = place.post(1, body)

    assert answer.status_code == code
    assert set(answer.json()) == {"detail"}
    assert len(answer.json()["detail"]) <= 500


def test_a_field_too_many_is_refused(place: Place) -> None:
    answer = place.recharge(place.home.account_id, amount_fen=5_000)

    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "body.amount_fen: Extra inputs are not permitted",
    )


@pytest.mark.parametrize("key", ["", "cpt_forged"])
def test_a_body_that_is_too_large_is_not_read_to_its_end(place: Place, key: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for number in range(10_000):
            sent.append(number)
            yield b" " * 1_024

    sent: list[int] = []
    answer = place.post(1, endless(), key=key)

    assert answer.status_code == 413
    assert len(sent) < 100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
WISHES = st.fixed_dictionaries(
    {},
    optional={
        "attempt_id": st.uuids().map(str) | JSON,
        "provider": st.sampled_from(["wechat", "till", "till-2"]) | JSON,
        "amount_minor": st.integers() | JSON,
        "more": JSON,
    },
)


@pytest.mark.slow
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(account_id=st.integers(min_value=-1, max_value=2**64) | st.sampled_from([2, 3]), wish=WISHES)
def test_no_wish_makes_the_door_fail(place: Place, account_id: int, wish: dict[str, object]) -> None:
    answer = place.post(account_id, json.dumps(wish).encode())

    assert answer.status_code in (200, 400, 404, 409, 422)


@pytest.mark.slow
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    path=st.sampled_from(["/meters", "/accounts", "/recharges", "/accounts/2"]),
    rest=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_no_question_makes_the_door_fail(place: Place, path: str, rest: str, after: str) -> None:
    spoken = quote(rest, safe="", errors="surrogatepass")
    query = quote(after, safe="", errors="surrogatepass")

    answer = place.ask(f"{path}/{spoken}?after={query}")

    assert answer.status_code in (200, 307, 404, 405, 422)


# the door itself --------------------------------------------------------------------------------------------


def test_those_who_watch_over_us_are_answered(place: Place) -> None:
    health, metrics = place.client.get("/healthz"), place.client.get("/metrics")

    assert (health.status_code, health.text) == (200, "ok\n")
    assert "compuerta_instructions_open " in metrics.text


def test_while_the_database_is_away_everybody_is_told_to_come_again(place: Place) -> None:
    with a_client(NOWHERE, {}, place.street) as client:
        answers = [client.get(path) for path in ("/healthz", "/metrics")]
        answers += [client.get(f"/api/v1{path}", headers=bearer(place.key)) for path in READS]
        answers.append(
            client.post(
                "/api/v1/accounts/1/recharges",
                headers=bearer(place.key),
                json={"attempt_id": str(SOME_ID), "provider": "till", "amount_minor": 100},
            )
        )

    assert {answer.status_code for answer in answers} == {503}
    assert all(set(answer.json()) == {"detail"} for answer in answers)


def test_the_description_is_openapi_3_1_and_tells_every_refusal(place: Place) -> None:
    described = place.client.get("/api/openapi.json").json()

    told = {
        (method, path.removeprefix("/api/v1")): set(operation["responses"])
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    }
    assert described["openapi"].startswith("3.1")
    first = {
        ("get", "/meters"): {"200", "401", "422", "503"},
        ("get", "/accounts"): {"200", "401", "422", "503"},
        **{
            ("get", path): {"200", "401", "404", "422", "503"}
            for path in (
                "/meters/{meter_no}",
                "/accounts/{account_id}",
                "/accounts/{account_id}/recharges",
                "/recharges/{attempt_id}",
            )
        },
        ("post", "/accounts/{account_id}/recharges"): {
            "200",
            "400",
            "401",
            "403",
            "404",
            "408",
            "409",
            "413",
            "422",
            "503",
        },
    }
    assert {operation: told[operation] for operation in first} == first
    assert [operation for operation, codes in told.items() if not {"200", "401", "422", "503"} <= codes] == []
    problem = {"$ref": "#/components/schemas/Problem"}
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["security"] == [{"HTTPBearer": []}]
            for code, response in operation["responses"].items():
                if code not in ("200", "202", "204"):  # unknown is no refusal, and neither is an end
                    assert response["content"]["application/json"]["schema"] == problem

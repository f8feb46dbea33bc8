"""The whole OpenAPI, tried with what its schema allows and what it does not: the server breaks nowhere."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.core import NotSet
from tests.contract.door import Place, bearer

from compuerta.apps.api.keys import make_key
from compuerta.domain.access import Right
from compuerta.services.granting import NEVER_FOR_KEYS

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

EXAMPLES = 12  # of each operation and kind; a night may take more


@pytest.fixture(scope="module")
def key(place: Place) -> str:
    """A key that may do all that keys may."""
    rights = [right.value for right in Right if right not in NEVER_FOR_KEYS]
    return make_key(place.url, name="anything", organisation_id=place.organisation_id, scopes=rights)


@pytest.mark.parametrize("kind", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_breaks_the_server(place: Place, key: str, kind: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(place.client.get("/api/openapi.json").json())
    operations = [found.ok() for found in schema.get_all_operations()]

    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=kind))
        def tried(case: Case[Any]) -> None:
            answer = place.client.request(case.method, case.formatted_path, **sent(case, key))

            # 503 says that a provider or the database does not answer: to be asked again, and no fault.
            assert answer.status_code < 500 or answer.status_code == 503, (case, answer.text)

        tried()

    assert operations


def sent(case: Case[Any], key: str) -> dict[str, Any]:
    """Return a case as httpx sends it."""
    told = {"params": dict(case.query or {}), "headers": bearer(key)}
    if isinstance(case.body, NotSet):
        return told
    if isinstance(case.body, bytes):
        return {**told, "content": case.body}
    return {**told, "json": case.body}

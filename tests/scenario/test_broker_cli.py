"""`compuerta broker`: files for mosquitto from what is entered, and words that can be taken back."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.contract.door import closing_store
from typer.testing import CliRunner

from compuerta.apps import broker_files
from compuerta.apps.broker_cli import commands
from compuerta.domain.party import Bearer, RoadKind
from compuerta.services.records import Endpoint

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


def test_a_word_that_is_taken_back_is_another_one_in_the_brokers_files(
    postgres_url: str, tmp_path: Path
) -> None:
    with closing_store(postgres_url) as store, store.transaction() as tx:
        organisation_id = tx.add_organisation(f"Casa {datetime.now(UTC)}")
        tx.add_endpoint(
            Endpoint(
                endpoint_id="mq",
                organisation_id=organisation_id,
                road=RoadKind.MOBILE_4G,
                bearer=Bearer.MQTT,
                address="mq-1",
            )
        )
    environment = {"COMPUERTA_DATA": str(tmp_path), "DATABASE_URL": postgres_url}

    def typed(*words: str) -> str:
        told = CliRunner().invoke(commands, words, env=environment, catch_exceptions=False)
        assert told.exit_code == 0, told.output
        return told.output.strip()

    broker = tmp_path / "broker"
    typed("config", str(broker))
    before, word = (broker / broker_files.WORDS).read_text(), typed("word", "mq-1")
    next_word = typed("new-word", "mq-1", "--who", "ana", "--why", "stolen")
    typed("config", str(broker))

    assert next_word == typed("word", "mq-1") != word
    assert (broker / broker_files.WORDS).read_text() != before
    assert {line.partition(":")[0] for line in before.splitlines()} >= {"mq-1", "platform"}

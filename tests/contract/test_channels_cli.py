"""`compuerta channels`: what a manager types before trusting a carrier."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.contract.carriers import SECRET, USER, Street, a_street
from typer.testing import CliRunner

from compuerta.apps.channels_cli import ChannelUnknown, NotTaken, commands
from compuerta.domain.address import AddressFaulty

pytestmark = pytest.mark.slow


def typed(directory: Path, *words: str, refuses_with: str = "") -> tuple[Street, str, BaseException | None]:
    """Type a command while a mail server listens, and return what it said."""

    async def run() -> tuple[Street, str, BaseException | None]:
        async with a_street() as street:
            street.world.behave("smtp", {"refuses_with": refuses_with})
            (directory / "one.key").write_text(SECRET)
            mail = {
                "name": "mail",
                "kind": "smtp",
                "host": "127.0.0.1",
                "port": street.smtp_port,
                "security": "none",
                "user": USER,
                "password": "one.key",
                "sender": "Casa <no-reply@casa.example>",
            }
            (directory / "channels.json").write_text(json.dumps([mail]))
            environment = {"COMPUERTA_DATA": str(directory)}
            told = await asyncio.to_thread(CliRunner().invoke, commands, words, env=environment)
            return street, told.output, told.exception

    return asyncio.run(run())


def test_a_test_letter_arrives_and_its_address_is_masked(tmp_path: Path) -> None:
    street, said, _ = typed(tmp_path, "check", "mail", "ana@example.org")

    assert "mail took it for a***@example.org" in said
    assert [each.to for each in street.world.received] == ["ana@example.org"]


def test_a_carrier_that_refuses_is_told_with_its_answer(tmp_path: Path) -> None:
    _, _, error = typed(tmp_path, "check", "mail", "ana@example.org", refuses_with="550 5.1.1")

    assert isinstance(error, NotTaken)
    assert "refused: recipient: 550" in str(error)


def test_a_carrier_or_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    _, _, unknown = typed(tmp_path, "check", "pigeon", "ana@example.org")
    _, _, faulty = typed(tmp_path, "check", "mail", "ana")

    assert isinstance(unknown, ChannelUnknown)
    assert isinstance(faulty, AddressFaulty)


def test_the_carriers_are_listed_without_their_keys(tmp_path: Path) -> None:
    _, said, _ = typed(tmp_path, "list")

    assert "mail" in said
    assert SECRET not in said

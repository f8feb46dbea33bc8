"""Settings are read once, and what cannot be used is refused by the variable's name."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from compuerta.apps import config
from compuerta.apps.config import SecretMalformed, SettingMalformed, Settings


def some_settings(data_dir: Path) -> Settings:
    return replace(config.settings({}), data_dir=data_dir)


def test_without_any_variable_everything_stays_on_this_machine() -> None:
    given = config.settings({})

    assert (given.host, given.port, given.road_host, given.road_port) == (
        "127.0.0.1",
        8000,
        "127.0.0.1",
        7645,
    )
    assert (given.database_url, given.poll_s, given.public_url) == (None, 900, "http://127.0.0.1:8000")
    assert (given.models / "_blueprint.yaml").exists()


def test_an_empty_variable_is_as_good_as_none() -> None:
    names = (
        "COMPUERTA_DATA", "DATABASE_URL", "COMPUERTA_HOST", "COMPUERTA_PORT", "COMPUERTA_ROAD_HOST",
        "COMPUERTA_ROAD_PORT", "COMPUERTA_POLL_S", "COMPUERTA_MODELS",
    )  # fmt: skip

    assert config.settings(dict.fromkeys(names, "")) == config.settings({})


def test_every_variable_is_read(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text("{}")
    given = config.settings(
        {
            "COMPUERTA_DATA": "/srv/compuerta",
            "DATABASE_URL": "postgresql://compuerta@db/compuerta",
            "COMPUERTA_HOST": "::1",
            "COMPUERTA_PORT": "8443",
            "COMPUERTA_ROAD_HOST": "roads.example.org",
            "COMPUERTA_ROAD_PORT": "65535",
            "COMPUERTA_POLL_S": "1",
            "COMPUERTA_MODELS": str(tmp_path),
        }
    )

    assert given == Settings(
        data_dir=Path("/srv/compuerta"),
        database_url="postgresql://compuerta@db/compuerta",
        host="::1",
        port=8443,
        road_host="roads.example.org",
        road_port=65_535,
        poll_s=1,
        models=tmp_path,
    )
    assert given.public_url == "http://[::1]:8443"


def test_meters_dial_where_people_go_unless_told_otherwise() -> None:
    assert config.settings({"COMPUERTA_HOST": "10.0.0.7"}).road_host == "10.0.0.7"


@pytest.mark.parametrize("name", ["COMPUERTA_PORT", "COMPUERTA_ROAD_PORT", "COMPUERTA_POLL_S"])
@pytest.mark.parametrize("text", ["0", "-1", "86401", "1e3", " 80", "80\n", "٨٠", "8_0", "0x50", "9" * 5_000])
def test_what_is_no_number_within_its_bounds_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(SettingMalformed, match=f"^{name}: write a whole number from 1 to") as refused:
        config.settings({name: text})

    assert refused.value.name == name


@pytest.mark.parametrize("name", ["COMPUERTA_HOST", "COMPUERTA_ROAD_HOST"])
@pytest.mark.parametrize("text", ["http://here", "here/there", "two words", "here\n"])
def test_what_is_no_host_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(SettingMalformed, match=f"^{name}: "):
        config.settings({name: text})


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_directory_without_models_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingMalformed, match=r"^COMPUERTA_MODELS: there is no schema\.json in "):
        config.settings({"COMPUERTA_MODELS": str(tmp_path / name)})


def test_a_malformed_database_url_is_refused_and_its_password_is_not_repeated() -> None:
    with pytest.raises(SettingMalformed, match=r"^DATABASE_URL: ") as refused:
        config.settings({"DATABASE_URL": "postgresql://me:hunter2@[::1/compuerta"})

    assert "hunter2" not in str(refused.value)


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    given = some_settings(tmp_path / "new" / "place")

    made = given.secret("esam")

    assert len(made) == 32
    assert given.secret("esam") == made
    assert given.secret("console") != made
    assert sorted(path.name for path in given.data_dir.iterdir()) == ["console.key", "esam.key"]
    assert {path.stat().st_mode & 0o777 for path in given.data_dir.iterdir()} == {0o600}


def test_racing_processes_get_the_same_secret(tmp_path: Path) -> None:
    given = some_settings(tmp_path)

    with ThreadPoolExecutor(max_workers=8) as racers:
        for number in range(20):
            made = set(racers.map(given.secret, [f"secret-{number}"] * 8))
            assert len(made) == 1

    assert len(list(tmp_path.iterdir())) == 20


@pytest.mark.parametrize("kept", [b"", b"00" * 31, b"not hexadecimal", b"\xff" * 64])
def test_a_file_that_holds_no_key_is_refused_and_not_replaced(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "esam.key").write_bytes(kept)

    with pytest.raises(SecretMalformed, match=r"esam\.key"):
        some_settings(tmp_path).secret("esam")

    assert (tmp_path / "esam.key").read_bytes() == kept


def test_a_data_directory_that_cannot_be_one_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingMalformed, match=r"^COMPUERTA_DATA: "):
        some_settings(tmp_path / "file").secret("esam")


@pytest.mark.parametrize(("said", "inside"), [("", False), ("outside", False), ("inside", True)])
def test_webhooks_stay_outside_unless_told_otherwise(said: str, inside: bool) -> None:
    assert config.settings({"COMPUERTA_WEBHOOKS": said}).webhooks_inside is inside


@pytest.mark.parametrize("said", ["yes", "Inside", "inside "])
def test_what_says_neither_inside_nor_outside_is_refused_by_name(said: str) -> None:
    with pytest.raises(SettingMalformed, match=r"^COMPUERTA_WEBHOOKS: write inside or outside"):
        config.settings({"COMPUERTA_WEBHOOKS": said})


@pytest.mark.parametrize("name", ["COMPUERTA_COAP_PORT", "COMPUERTA_COAP_BARE_PORT"])
def test_ports_of_coap_are_opened_only_where_they_are_set(name: str) -> None:
    unset, given = config.settings({}), config.settings({name: "5684"})

    assert (unset.coap_port, unset.coap_bare_port) == (0, 0)
    assert given.coap_port + given.coap_bare_port == 5684
    with pytest.raises(SettingMalformed, match=f"^{name}: "):
        config.settings({name: "65536"})


def test_a_malformed_operator_url_is_refused_and_its_secret_is_not_repeated() -> None:
    with pytest.raises(SettingMalformed, match=r"^COMPUERTA_OPERATOR_URL: ") as refused:
        config.settings({"COMPUERTA_OPERATOR_URL": "ftp://app:hunter2@platform"})

    assert "hunter2" not in str(refused.value)

"""Models: what a file says becomes types; a contradiction is refused with file, line and field."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from compuerta.adapters import models
from compuerta.adapters.yaml_files import FileRefused
from compuerta.domain.party import CreditAuthority
from compuerta.domain.tariff.fitting import PriceProfile
from compuerta.drivers.abilities import MeterEvent
from compuerta.drivers.model import Limit, Quantity, RechargeLayout, RelayStyle, RoadTiming
from compuerta.wire import modbus

MODELS = Path(__file__).parents[3] / "models"


def a_directory(tmp_path: Path, *, changes: dict[str, str], base: str = "dlt645-standard-4g") -> Path:
    """One model file in a directory of its own, with some of its text replaced."""
    directory = tmp_path / "models"
    directory.mkdir()
    text = (MODELS / f"{base}.yaml").read_text()
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    (directory / f"{base}.yaml").write_text(text)
    (directory / "schema.json").write_text((MODELS / "schema.json").read_text())
    return directory


def test_every_model_of_the_house_loads() -> None:
    loaded = models.load_models(MODELS)

    assert set(loaded) == {
        "dlt645-standard-4g",
        "dlt645-vendor-rs485",
        "dlt645-remote-rs485",
        "dlt645-remote-press-rs485",
        "modbus-generic",
        "acrel-ddsy1352",
        "eastron-sdm320y",
        "eastron-sdm530y",
    }


def test_the_words_of_a_file_become_types() -> None:
    model = models.load_models(MODELS)["dlt645-standard-4g"]

    assert model.credit_authority is CreditAuthority.METER
    assert model.recharge is RechargeLayout.STANDARD
    assert model.relay is RelayStyle.DIRECT_CLOSE
    assert model.roads["4g"] == RoadTiming(first_byte_ms=2000, gap_ms=500, tries_max=5)
    assert model.registers[Quantity.PURCHASE_NO] == 0x078102FF
    assert model.alarm_levels == 2
    assert model.limits[Limit.POWER] == 0x04090B01
    assert model.events[MeterEvent.COVER] == 0x03300D00
    assert model.tariff is not None
    assert (model.tariff.zones_max, model.tariff.has_weekend) == (14, True)
    assert model.tariff.prices == PriceProfile(bounds_max=6, settlements_max=4)


def test_a_model_without_limits_takes_no_tariff() -> None:
    assert models.load_models(MODELS)["dlt645-vendor-rs485"].tariff is None


def test_the_blueprint_fits_the_schema_and_is_no_model(tmp_path: Path) -> None:
    blueprint = (MODELS / "_blueprint.yaml").read_text()
    copy = tmp_path / "dlt645-blueprint.yaml"
    copy.write_text(blueprint)
    schema = Draft202012Validator(json.loads((MODELS / "schema.json").read_text()))

    model = models.load_model(copy, schema=schema)

    assert model.name == "dlt645-blueprint"
    assert "dlt645-blueprint" not in models.load_models(MODELS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layout: standard": "layout: foo"}, r":7: recharge\.layout: 'foo' is not one of \['standard', "),
        ({"password_level: 2": "password_level: x"}, r":10: relay\.password_level: 'x' is not of type"),
        ({"quirks: []": "quirks: [haunted]"}, r":\d+: quirks\.0: 'haunted' is not one of"),
        ({"quirks: []": "colour: red\nquirks: []"}, r":2: .*'colour' was unexpected"),
        ({"quirks: []": "quirks: []\nquirks: []"}, r":\d+: quirks: comes twice"),
        ({"name: dlt645-standard-4g": "name: other"}, r":2: name: 'other' is not the name of the file"),
        ({"quirks: []": "quirks: ["}, r":\d+: .+"),
        ({"credit_authority: meter": "credit_authority: platform"}, r":\d+: recharge: the platform holds"),
        ({"recharge:\n  layout: standard\n": ""}, r":5: credit_authority: a meter that holds money"),
        ({'  purchase_no: "078102FF"\n': ""}, r":\d+: registers: standard recharges cannot be read back"),
        (
            {"levels: 2, second_trips: false": "levels: 1, second_trips: true"},
            r":\d+: alarms\.second_trips: there is no",
        ),
        ({'cover: "03300D00"': 'cover: "00010000"'}, r":\d+: events\.cover: 00010000 is not known to be a"),
        ({'magnet: "03350000"': 'magnet: "FF350000"'}, r":\d+: events\.magnet: FF350000 is not known to"),
        ({"  magnet:": "  mgnet:"}, r":\d+: events: .*'mgnet' was unexpected"),
        ({"zones_max: 14": "zones_max: 15"}, r":\d+: tariff\.zones_max: 15 is greater than the maximum"),
        ({"rates_max: 8": "rates_max: 47"}, r":\d+: tariff\.rates_max: 47 is greater than the maximum"),
        (
            {"  prices: { bounds_max: 6, settlements_max: 4 }\n": ""},
            r":\d+: tariff: a meter that holds money deducts by prices",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_file_line_and_field(
    tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    directory = a_directory(tmp_path, changes=changes)

    with pytest.raises(FileRefused) as refused:
        models.load_models(directory)

    assert re.match(r"models/dlt645-standard-4g\.yaml" + said, str(refused.value)), str(refused.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({'  power: "02030000"\n': '  balance: "00900200"\n'}, "registers.balance: the platform holds"),
        ({"levels: 0": "levels: 1"}, "alarms.levels: a meter without money"),
        ({'  power: "04090B01"': '  alarm_1: "04001001"'}, "alarms.levels: a meter without money"),
        (
            {"weekend: true": "weekend: true\n  prices: { bounds_max: 6, settlements_max: 4 }"},
            "tariff.prices: a meter without money",
        ),
    ],
)
def test_a_meter_without_money_has_no_words_for_it(
    tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    directory = a_directory(tmp_path, changes=changes, base="dlt645-remote-rs485")

    with pytest.raises(FileRefused, match=re.escape(said)):
        models.load_models(directory)


def test_a_vendor_meter_without_its_list_of_purchases_says_so_by_a_quirk(tmp_path: Path) -> None:
    changes = {'  purchase_record: "0333FF01"\n': "", "quirks: []": "quirks: [purchase_record_missing]"}
    directory = a_directory(tmp_path, changes=changes, base="dlt645-vendor-rs485")

    model = models.load_models(directory)["dlt645-vendor-rs485"]

    assert Quantity.PURCHASE_RECORD not in model.registers


@pytest.mark.parametrize(
    "content",
    [b"- a\n", b"\xff\xfe\x00", b"a: 1\n" * 30_000, b"{a: &a 1, b: *a}\n", b"? [a]\n: b\n", b"[" * 50_000],
)
def test_what_is_no_model_file_is_refused(tmp_path: Path, content: bytes) -> None:
    directory = a_directory(tmp_path, changes={})
    (directory / "dlt645-standard-4g.yaml").write_bytes(content)

    with pytest.raises(FileRefused, match=r"models/dlt645-standard-4g\.yaml:1: "):
        models.load_models(directory)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"closed: [1], open: [0] }\n  clock": "closed: [1], open: [0, 1] }\n  clock"},
            "modbus.relay: open and",
        ),
        ({"open: [0], closed: [1]": "open: [1], closed: [1]"}, "modbus.switch: open and closed are the same"),
        (
            {"open: [0], closed: [1]": "open: [0, 0], closed: [1]"},
            "modbus.switch.open: write_register writes one",
        ),
        ({"type: i32": "type: i33"}, "modbus.power.type: 'i33' is not one of"),
        ({'at: "0010"': 'at: "10"'}, "modbus.power.at: '10' does not match"),
        (
            {"credit_authority: platform": "credit_authority: meter"},
            "credit_authority: 'platform' was expected",
        ),
        ({"style: direct_close": "style: permit_and_press"}, "relay.style: 'direct_close' was expected"),
        ({"protocol: modbus": "protocol: dlt645"}, "'registers' is a required property"),
    ],
)
def test_a_modbus_map_that_contradicts_itself_is_refused(
    tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    directory = a_directory(tmp_path, changes=changes, base="modbus-generic")

    with pytest.raises(FileRefused, match=re.escape(said)):
        models.load_models(directory)


def test_a_modbus_map_says_where_and_in_what_units() -> None:
    registers = models.load_models(MODELS)["acrel-ddsy1352"].modbus

    assert registers is not None
    assert (registers.energy.at, registers.energy.unit, len(registers.rates)) == (0, 10, 4)
    assert (registers.relay, registers.clock) == (None, None)
    assert registers.opens == modbus.WriteRegisters(start=0x57, values=(1, 1))
    assert registers.closes == modbus.WriteRegisters(start=0x57, values=(1, 0))

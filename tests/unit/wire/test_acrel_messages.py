"""What Acrel's meters say, what they are answered, and their JSON form."""

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain.crc16 import crc16
from compuerta.wire import acrel
from compuerta.wire.acrel import Frame, json_form
from compuerta.wire.acrel.json_form import Letter

SERIAL = b"12307210720085" + bytes(6)
READ = bytes.fromhex("010300000001840a")
TUESDAY = datetime(2023, 10, 10, 17, 7, 27)  # noqa: DTZ001 - a meter's clock


def test_login_and_data_are_answered_byte_for_byte_and_a_heartbeat_is_not() -> None:
    login = acrel.Login(serial_no="1", iccid="8", signal=26, firmware=("0100", "0100", "0100"), upload_min=30)

    assert acrel.answer(login, civil_now=None).hex() == "7b7b84bf237d7d"
    assert acrel.answer(acrel.Upload(serial_no=None, sections=()), civil_now=None).hex() == "7b7b917eec7d7d"
    assert acrel.answer(acrel.Heartbeat(), civil_now=TUESDAY) == b""


def test_the_time_is_told_in_local_time_and_not_at_all_where_it_is_not_known() -> None:
    asked = acrel.TimeAsked(serial_no="12307210720085")

    told = acrel.answer(asked, civil_now=TUESDAY)

    assert told[3:10].hex() == "170a0a0211071b"
    assert acrel.time_of(told[3:10]) == TUESDAY
    assert acrel.answer(asked, civil_now=None) == b""


def test_a_passthrough_brings_the_modbus_frame_with_or_without_the_serial() -> None:
    alone = acrel.parse(Frame(command=0x90, body=READ))
    named = acrel.parse(Frame(command=0x90, body=SERIAL + READ))

    assert alone == acrel.Carried(serial_no=None, octets=READ)
    assert named == acrel.Carried(serial_no="12307210720085", octets=READ)
    assert acrel.carry(READ) == acrel.encode(Frame(command=0x90, body=READ))


def test_a_passthrough_may_bring_other_bytes_than_modbus() -> None:
    assert acrel.parse(Frame(command=0x90, body=b"\x68\x01")) == acrel.Carried(
        serial_no=None, octets=b"\x68\x01"
    )
    assert acrel.parse(Frame(command=0x90, body=SERIAL + b"\x68")) == acrel.Carried(
        serial_no="12307210720085", octets=b"\x68"
    )


@pytest.mark.parametrize("body", [b"", SERIAL, bytes(20) + READ])
def test_a_passthrough_of_nothing_or_in_no_name_is_refused(body: bytes) -> None:
    with pytest.raises(acrel.ProtocolError):
        acrel.parse(Frame(command=0x90, body=body))


def test_marks_inside_a_section_do_not_end_it() -> None:
    octets = b"))]] ((" + READ + b"))]"

    upload = acrel.parse(Frame(command=0x91, body=SERIAL + b"[[1-1((" + octets + b"))]][[1-2((" + b"x))]]"))

    assert isinstance(upload, acrel.Upload)
    assert [(each.place, each.octets) for each in upload.sections] == [("1-1", octets), ("1-2", b"x")]


@pytest.mark.parametrize(
    "body", [b"[[1-1((", b"[[1-1((x))]", b"[[))]]", SERIAL + b"x", b"[[" + b"\xff((x))]]", b"short"]
)
def test_a_data_frame_without_whole_sections_is_refused(body: bytes) -> None:
    with pytest.raises(acrel.ProtocolError):
        acrel.parse(Frame(command=0x91, body=body))


@pytest.mark.parametrize("at", [2, 3, 5, 60])
def test_a_block_of_another_length_function_or_hour_tells_nothing(at: int) -> None:
    block = bytearray(bytes.fromhex("010360") + bytes(96))
    block[3 + 80 : 3 + 87] = bytes.fromhex("170a0a0211071b")
    section = bytes(block) + crc16(bytes(block))
    spoiled = {2: section[:2] + b"\x5e" + section[3:-2], 3: section[:-1], 5: b"\1\4" + section[2:]}
    octets = spoiled.get(at, section[:83] + b"\x17\x63" + section[85:])
    upload = acrel.Upload(serial_no=None, sections=(acrel.Section(place="1-1", octets=octets),))
    untouched = acrel.Upload(serial_no=None, sections=(acrel.Section(place="1-1", octets=section),))

    assert acrel.told_in(untouched) is not None
    assert acrel.told_in(upload) is None


def test_what_is_known_by_hearsay_is_told_as_such_and_the_rest_as_unknown() -> None:
    server = acrel.encode(Frame(command=0x88, body=bytes.fromhex("c0000201 1ddd")))
    others = [
        acrel.encode(Frame(command=command, body=b"\x02")) for command in (0x82, 0x88, 0x89, 0x97, 0x55)
    ]

    meanings = [each.meaning for each in acrel.explain(server + b"".join(others))]

    assert meanings == [
        "the server is 192.0.2.1:7645, if it is as one platform sends it",
        *["body not known"] * 5,
    ]


LOGIN = Letter(
    topic="/gw/acrelHW/DDSY1352/login/12209263660002",
    payload=b'{"ver":1011,"rssi":48,"code":1968,"time":"20221008105559","gwSN":"12209263660002","type":"login"}',
)


def test_a_json_login_is_answered_on_the_topic_by_which_its_device_hears() -> None:
    report = json_form.parse(LOGIN)

    assert report.place == json_form.Place(product="DDSY1352", kind="login", serial_no="12209263660002")
    assert report.signal_percent == 48
    assert json_form.answer(report) == Letter(
        topic="/server/acrelHW/DDSY1352/login/12209263660002", payload=b'{"type":"login","res":1}'
    )


def test_kinds_whose_answer_was_not_published_are_kept_and_not_answered() -> None:
    told = {"type": "data", "meterSN": "00042", "kwh": 1.5, "list": [1]}
    letter = Letter(topic="/gw/acrelHW/DDSY/data/12209263660002", payload=json.dumps(told).encode())

    report = json_form.parse(letter)

    assert report.meter_serial_no == "00042"
    assert report.fields == {"type": "data", "meterSN": "00042", "kwh": "1.5", "list": "[1]"}
    assert json_form.answer(report) is None


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("/server/acrelHW/DDSY/login/1", b"{}"),
        ("/gw/other/DDSY/login/1", b"{}"),
        ("/gw/acrelHW/DDSY/login", b"{}"),
        ("/gw/acrelHW/DDSY/login/", b"{}"),
        ("/gw/acrelHW/DDSY/login/1/2", b"{}"),
        ("/gw/acrelHW/DDSY/login/1", b'{"a": ["\\ud800"]}'),
        ("/gw/acrelHW/DDSY/login/1", b"[]"),
        ("/gw/acrelHW/DDSY/login/1", b"{"),
        ("/gw/acrelHW/DDSY/login/1", b"\xff"),
        ("/gw/acrelHW/DDSY/login/1", b'{"type":"data"}'),
        ("/gw/acrelHW/DDSY/login/1", b'{"gwSN":"2"}'),
        ("/gw/acrelHW/DDSY/login/1", b"[" * 5_000),
        ("/gw/acrelHW/DDSY/login/1", b'{"a":' + b"9" * 5_000 + b"}"),
        ("/gw/acrelHW/DDSY/login/1", b'{"a":"' + b"x" * json_form.PAYLOAD_BYTES_MAX + b'"}'),
    ],
)
def test_what_is_not_of_the_json_form_is_refused(topic: str, payload: bytes) -> None:
    with pytest.raises(acrel.ProtocolError):
        json_form.parse(Letter(topic=topic, payload=payload))


@pytest.mark.slow
@given(st.text(max_size=40), st.binary(max_size=40))
def test_any_letter_is_a_report_or_refused(topic: str, payload: bytes) -> None:
    for each in (topic, LOGIN.topic):
        try:
            json_form.parse(Letter(topic=each, payload=payload))
        except acrel.ProtocolError as error:
            assert error.reason

"""`compuerta decode coap` on datagrams as they were on the air."""

import json

import pytest
from typer.testing import CliRunner

from compuerta.apps.cli import app
from compuerta.wire import coap, dlt645
from compuerta.wire.coap.options import Option
from compuerta.wire.lwm2m import senml, tlv

FRAME = dlt645.encode(
    dlt645.Frame(address="558890213594", control=0x91, data=bytes.fromhex("0000010021430000"))
)


def told(octets: bytes) -> dict[str, object]:
    result = CliRunner().invoke(app, ["decode", "coap", octets.hex(" "), "--json"])
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.output)
    return answer


def a_message(code: int, *options: tuple[int, bytes], payload: bytes = b"") -> bytes:
    message = coap.Message(
        kind=coap.Kind.CON, code=code, message_id=7, token=b"\x01", options=options, payload=payload
    )
    return coap.encode(message)


def test_a_notice_is_told_down_to_the_meters_frame() -> None:
    notice = a_message(
        coap.Code.CONTENT,
        (Option.OBSERVE, b"\x05"),
        (Option.CONTENT_FORMAT, b"\x2a"),
        payload=FRAME,
    )

    said = told(notice)

    assert (said["kind"], said["code"], said["message_id"], said["token_hex"]) == ("CON", "2.05", 7, "01")
    assert said["observe"] == 5
    assert said["content_format"] == {"number": 42, "name": "opaque"}
    [frame] = said["frames"]  # type: ignore[misc]
    assert frame["address"] == "558890213594"


def test_a_registration_is_told_with_its_options_by_name() -> None:
    request = coap.CoapSession(salt=b"")
    request.send(
        coap.Request(
            code=coap.Code.POST,
            path=("rd",),
            queries=("ep=nb-1", "lt=60", "b=UQ"),
            payload=b"</19/0>,</3331/0>",
            content_format=40,
        ),
        now_ms=0,
    )

    said = told(request.take_datagrams()[0])

    assert said["code"] == "0.02 POST"
    assert said["path"] == "/rd"
    assert said["options"][1] == {"number": 12, "name": "Content-Format", "value": 40}  # type: ignore[index]
    assert said["registration"] == {
        "name": "nb-1",
        "lifetime_s": 60,
        "sleeps": True,
        "objects": "</19/0>,</3331/0>",
    }


def test_values_are_told_by_path_and_name() -> None:
    packed = a_message(
        coap.Code.CONTENT, (Option.CONTENT_FORMAT, b"\x70"), payload=senml.to_cbor({"/3331/0/5805": 4_711})
    )
    bare = a_message(
        coap.Code.CONTENT,
        (Option.CONTENT_FORMAT, (11542).to_bytes(2, "big")),
        payload=tlv.encode([tlv.Entry(holds=tlv.Holds.RESOURCE, number=2, value=b"\x9e")]),
    )

    assert told(packed)["values"] == [{"path": "/3331/0/5805", "name": "energy: energy, Wh", "value": 4_711}]
    assert told(bare)["values"] == [{"path": "/2", "name": "", "value_hex": "9e", "number": -98}]


def test_a_block_is_told_with_its_place() -> None:
    assert told(a_message(coap.Code.PUT, (Option.BLOCK1, b"\x1e")))["block1"] == {
        "no": 1,
        "more": True,
        "size": 1024,
    }


@pytest.mark.parametrize("octets", ["00", "40010001ff", "zz", "40010001b5"])
def test_what_is_no_datagram_is_refused(octets: str) -> None:
    assert CliRunner().invoke(app, ["decode", "coap", octets]).exit_code != 0


def test_people_are_told_in_a_table() -> None:
    result = CliRunner().invoke(app, ["decode", "coap", "40017d34bb74656d7065726174757265"])

    assert "/temperature" in result.output

"""The sentences that a technician reads; written by hand, from captures of real meters."""

import pytest

from compuerta.wire.dlt645 import Explained, explain

SENTENCES = {
    "FEFEFEFE68943521908855681104333334330916": "read 00010000 forward active energy total",
    "FEFEFEFE6894352190885568910833333433593533338116": "00010000 forward active energy total = 2.26 kWh",
    "FEFEFEFE68943521908855689106333434357B555E16": "02010100 voltage phase A = 224.8 V",
    "68200051050326689107333435354C48B42016": "02020100 current phase A = -11.519 A",
    "FEFEFEFE68943521908855681C1035333333333333334D3335734B3A3A542816": (
        "relay trip, level 02, valid until 2021-07-07 18:40:02"
    ),
    "FEFEFEFE68943521908855689C00C316": "relay control accepted",
    "6812005105032668C301355A16": "refused: vendor's error byte 02 (SERR 02)",
    "FEFEFEFE681200510503266803223235343A77665544435A33336B74453595B5734533333333453384383659333333338A16": (
        "recharge 100.00, order 1240826202124138, meter 260305510012"
    ),
    "FEFEFEFE6894352190885568C30235335416": "refused: repeated recharge (SERR 0002)",
    "FEFEFEFE68943521908855689106363833370333CC16": (
        "04000503 status word 3 = 00D0 (pre trip alarm, relay command trip, relay open)"
    ),
    "FEFEFEFE689999999999996808006E16": "time broadcast of unknown layout, 0 bytes, broadcast",
}


@pytest.mark.parametrize(("octets", "meaning"), SENTENCES.items(), ids=SENTENCES.values())
def test_a_captured_frame_is_told_in_a_sentence(octets: str, meaning: str) -> None:
    assert [explained.meaning for explained in explain(bytes.fromhex(octets))] == [meaning]


def test_every_frame_of_a_capture_is_told_and_noise_is_not() -> None:
    capture = bytes.fromhex(
        "00FF68943521908855681104333334330916" + "6868" + "68943521908855689C00C316" + "6801"
    )

    explained = explain(capture)

    assert explained == [
        Explained(
            address="558890213594",
            control=0x11,
            data_hex="00000100",
            meaning="read 00010000 forward active energy total",
        ),
        Explained(address="558890213594", control=0x9C, data_hex="", meaning="relay control accepted"),
    ]


@pytest.mark.parametrize("octets", [b"", b"\x68", b"\x68\x16" * 40, b"hello", bytes(300)])
def test_what_is_no_frame_tells_nothing(octets: bytes) -> None:
    assert explain(octets) == []


def test_bytes_that_do_not_fit_their_register_are_shown_as_they_are() -> None:
    # Three bytes where an energy has four.
    assert [
        e.meaning for e in explain(bytes.fromhex("6894352190885568910733333433593533") + b"\x4d\x16")
    ] == ["00010000 forward active energy total = 260200"]

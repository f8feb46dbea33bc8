"""MQTT packets: what is written is read, in any pieces; no bytes give anything but packets or a refusal."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from compuerta.wire.mqtt.fields import ProtocolError
from compuerta.wire.mqtt.packets import (
    PACKET_BYTES_MAX,
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Pong,
    PubAck,
    Publish,
    Reason,
    Stream,
    SubAck,
    Subscribe,
    VersionUnsupported,
    encode,
)

LETTERS = some.characters(exclude_characters="\0+#", exclude_categories=["Cs"])
numbers = some.integers(1, 65_535)
names = some.text(LETTERS, min_size=1, max_size=30)
messages = some.builds(
    Publish,
    topic=names,
    payload=some.binary(max_size=300),
    qos=some.just(1),
    packet_id=numbers,
    retain=some.booleans(),
    expiry_s=some.none() | some.integers(0, 2**32 - 1),
    content_type=names | some.just(""),
)
wills = some.builds(Publish, topic=names, payload=some.binary(max_size=50), qos=some.sampled_from([0, 1]))
packets: some.SearchStrategy[Packet] = some.one_of(
    messages,
    some.builds(Publish, topic=names, payload=some.binary(max_size=30)),
    some.builds(
        Connect,
        client_id=names,
        user=names,
        password=some.binary(max_size=40),
        keep_alive_s=some.integers(0, 65_535),
        clean_start=some.booleans(),
        session_expiry_s=some.integers(0, 2**32 - 1),
        receive_max=numbers,
        will=some.none() | wills,
    ),
    some.builds(
        ConnAck,
        reason=some.sampled_from([0, 0x86]),
        session_present=some.booleans(),
        receive_max=numbers,
        keep_alive_s=some.none() | some.integers(0, 65_535),
    ),
    some.builds(PubAck, packet_id=numbers, reason=some.integers(0, 255)),
    some.builds(
        Subscribe,
        packet_id=numbers,
        filters=some.lists(some.tuples(names, some.sampled_from([0, 1])), min_size=1, max_size=4).map(tuple),
    ),
    some.builds(SubAck, packet_id=numbers, reasons=some.lists(some.integers(0, 255), max_size=4).map(tuple)),
    some.just(Ping()),
    some.just(Pong()),
    some.builds(Disconnect, reason=some.integers(0, 255)),
)


@settings(max_examples=25, deadline=None)
@given(some.lists(packets, max_size=5), some.integers(1, 40))
def test_what_is_written_is_read_in_any_pieces(said: list[Packet], piece: int) -> None:
    octets = b"".join(map(encode, said))
    stream = Stream()

    heard = [
        packet for at in range(0, len(octets), piece) for packet in stream.receive(octets[at : at + piece])
    ]

    assert heard == said


@settings(max_examples=25, deadline=None)
@given(some.binary(max_size=200))
def test_any_bytes_are_packets_or_refused(octets: bytes) -> None:
    with suppress(ProtocolError):
        Stream().receive(octets)


@settings(max_examples=25, deadline=None)
@given(packets, some.integers(0), some.integers(1, 255))
def test_a_damaged_packet_is_another_packet_or_refused(packet: Packet, place: int, damage: int) -> None:
    octets = bytearray(encode(packet))
    octets[place % len(octets)] ^= damage
    with suppress(ProtocolError):
        Stream().receive(bytes(octets))


@pytest.mark.parametrize(
    "octets",
    [
        "3003000161",  # a message that ends in its properties
        "300100",  # half a length
        "300500012b0061",  # a wildcard in the topic of a message
        "340700016100010061",  # quality of service 2
        "3206000161000000",  # the number 0
        "4003000000",  # an acknowledgement of the number 0
        "8203000100",  # a subscription to nothing
        "f000",  # a packet that there is not
        "e100",  # flags that there are not
        "30ffffffff7f",  # a length of five bytes
        "300e0001610a02000000010200000001",  # a property twice
        "3005000161017f",  # a property that there is not
    ],
)
def test_what_the_standard_does_not_allow_is_refused(octets: str) -> None:
    with pytest.raises(ProtocolError):
        Stream().receive(bytes.fromhex(octets))


def test_a_packet_that_is_too_long_is_refused_before_it_has_come() -> None:
    octets = encode(Publish(topic="a", payload=bytes(PACKET_BYTES_MAX)))

    with pytest.raises(ProtocolError):
        Stream().receive(octets[:5])


def test_another_version_is_told_apart_from_damage() -> None:
    octets = bytearray(encode(Connect(client_id="a")))
    octets[octets.index(b"MQTT") + 4] = 4

    with pytest.raises(VersionUnsupported):
        Stream().receive(bytes(octets))


def test_properties_that_nobody_here_needs_are_read_over() -> None:
    # From the standard's list: payload format, response topic, correlation, a user's pair, an identifier.
    said = bytes.fromhex("01010800017209000163260001610001620b050b06")
    body = b"\x00\x01a" + bytes((len(said),)) + said + b"payload"

    [heard] = Stream().receive(b"\x30" + bytes((len(body),)) + body)

    assert heard == Publish(topic="a", payload=b"payload")


def test_an_acknowledgement_without_a_reason_is_a_success() -> None:
    assert Stream().receive(bytes.fromhex("40020007")) == [PubAck(packet_id=7, reason=Reason.SUCCESS)]

"""Messages to bytes and back, and whatever else comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.wire.coap import Code, Kind, Message, ProtocolError, code_name, decode, encode
from compuerta.wire.coap.message import MESSAGE_BYTES_MAX, OPTIONS_MAX
from compuerta.wire.coap.options import Block, Option, block_of, block_to, number_to

# RFC 7252, appendix A: figures 16 and 17.
EXAMPLES = [
    ("40017d34bb74656d7065726174757265", Kind.CON, Code.GET, 0x7D34, b"", b""),
    ("60457d34ff32322e332043", Kind.ACK, Code.CONTENT, 0x7D34, b"", b"22.3 C"),
    ("41017d3520bb74656d7065726174757265", Kind.CON, Code.GET, 0x7D35, b"\x20", b""),
    ("70007d34", Kind.RST, Code.EMPTY, 0x7D34, b"", b""),
]


@pytest.mark.parametrize(("octets", "kind", "code", "message_id", "token", "payload"), EXAMPLES)
def test_the_examples_of_the_standard_are_read_and_written(
    octets: str, kind: Kind, code: Code, message_id: int, token: bytes, payload: bytes
) -> None:
    message = decode(bytes.fromhex(octets))

    assert (message.kind, message.code, message.message_id) == (kind, code, message_id)
    assert (message.token, message.payload) == (token, payload)
    assert encode(message).hex() == octets


MESSAGES = st.builds(
    Message,
    kind=st.sampled_from(Kind),
    code=st.integers(1, 255),
    message_id=st.integers(0, 0xFFFF),
    token=st.binary(max_size=8),
    options=st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=300)), max_size=3).map(
        lambda options: tuple(sorted(options, key=lambda each: each[0]))
    ),
    payload=st.binary(max_size=100),
)


@given(MESSAGES)
def test_what_is_written_is_read_again(message: Message) -> None:
    assert decode(encode(message)) == message


@given(st.binary(max_size=200) | MESSAGES.map(encode).flatmap(lambda b: st.binary().map(lambda m: b + m)))
def test_any_bytes_are_a_message_or_refused(octets: bytes) -> None:
    try:
        message = decode(octets)
        block_of(message, Option.BLOCK1)
    except ProtocolError:
        return
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("", "no message"),
        ("400100", "no message"),
        ("80010001", "version"),
        ("49010001" + "00" * 9, "token"),
        ("44010001aabb", "token"),
        ("4000000100", "empty"),
        ("40010001ff", "marker"),
        ("40010001f0", "breaks off"),
        ("40010001d0", "breaks off"),
        ("40010001b9aa", "does not fit"),
        ("40010001" + "00" * (OPTIONS_MAX + 1), "options"),
        ("40" * (MESSAGE_BYTES_MAX + 1), "no message"),
    ],
)
def test_what_the_standard_calls_a_format_error_is_refused(octets: str, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        decode(bytes.fromhex(octets))


def test_what_would_not_travel_in_one_piece_is_not_written() -> None:
    message = Message(kind=Kind.CON, code=Code.PUT, message_id=1, payload=bytes(MESSAGE_BYTES_MAX))

    with pytest.raises(ProtocolError, match="one piece"):
        encode(message)


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256, 512, 1024])
def test_blocks_of_every_size_are_read_as_they_were_written(size: int) -> None:
    block = Block(no=1_000, more=True, size=size)
    message = Message(kind=Kind.CON, code=Code.PUT, message_id=1, options=((Option.BLOCK1, block_to(block)),))

    assert block_of(message, Option.BLOCK1) == block


def test_the_reserved_block_size_is_refused() -> None:
    message = Message(kind=Kind.CON, code=Code.PUT, message_id=1, options=((Option.BLOCK1, number_to(7)),))

    with pytest.raises(ProtocolError, match="reserved"):
        block_of(message, Option.BLOCK1)


def test_codes_are_named_as_the_standard_names_them() -> None:
    assert code_name(Code.TOO_LARGE) == "4.13"

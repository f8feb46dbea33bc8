"""Frames between an outpost and the platform: any bytes are frames or refused, however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.wire import outpost
from compuerta.wire.outpost import Deframer, Frame, Kind, ProtocolError

FRAMES = st.lists(
    st.builds(
        Frame,
        kind=st.sampled_from(Kind),
        line=st.integers(0, outpost.LINES_MAX),
        payload=st.binary(max_size=outpost.STRANGER_BYTES_MAX),
    ),
    max_size=5,
)


@given(frames=FRAMES, cut=st.integers(1, 40))
def test_frames_come_out_as_they_went_in_however_they_are_cut(frames: list[Frame], cut: int) -> None:
    octets = b"".join(outpost.encode(each) for each in frames)
    deframer = Deframer()

    heard = [frame for at in range(0, len(octets), cut) for frame in deframer.receive(octets[at : at + cut])]

    assert heard == frames


@given(octets=st.binary(max_size=600))
def test_any_bytes_are_frames_or_refused(octets: bytes) -> None:
    try:
        heard = list(Deframer().receive(octets))
    except ProtocolError:
        return
    assert (
        b"".join(outpost.encode(each) for each in heard) == octets[: sum(6 + len(f.payload) for f in heard)]
    )


def test_a_stranger_may_say_little() -> None:
    long = outpost.encode(Frame(kind=Kind.RECORDS, payload=bytes(outpost.STRANGER_BYTES_MAX + 1)))

    with pytest.raises(ProtocolError):
        list(Deframer().receive(long))
    assert len(list(Deframer(payload_bytes_max=outpost.PAYLOAD_BYTES_MAX).receive(long))) == 1


def test_a_bound_that_was_raised_holds_for_the_next_frame_of_the_same_bytes() -> None:
    octets = outpost.encode(Frame(kind=Kind.WELCOME)) + outpost.encode(
        Frame(kind=Kind.ORDERS, payload=bytes(1_000))
    )
    deframer, kinds = Deframer(), []

    for frame in deframer.receive(octets):
        deframer.payload_bytes_max = outpost.PAYLOAD_BYTES_MAX
        kinds.append(frame.kind)

    assert kinds == [Kind.WELCOME, Kind.ORDERS]


@given(payload=st.binary(max_size=120))
def test_any_proof_has_a_name_or_is_refused(payload: bytes) -> None:
    try:
        proof = outpost.parse_proof(payload)
    except ProtocolError:
        return
    assert proof.encoded() == payload
    assert proof.outpost_id.isprintable()


@given(octets=st.binary(max_size=60), tick_ms=st.integers(0, 2**63))
def test_what_is_stamped_tells_when_and_what(octets: bytes, tick_ms: int) -> None:
    assert outpost.unstamped(outpost.stamped(octets, tick_ms=tick_ms)) == (tick_ms, octets)


def test_bytes_without_a_stamp_are_refused() -> None:
    with pytest.raises(ProtocolError):
        outpost.unstamped(bytes(7))

"""What devices say of themselves and of their values, in the forms of LwM2M, and whatever else comes."""

from decimal import Decimal

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.wire.lwm2m import objects, senml, tlv
from compuerta.wire.lwm2m.registration import (
    LIFETIME_S_MAX,
    LIFETIME_S_USUAL,
    OBJECTS_MAX,
    Registration,
    RegistrationMalformed,
    links_to,
    objects_of,
    queries_of,
    registration_of,
)
from compuerta.wire.lwm2m.values import Plain, ProtocolError


def test_a_registration_is_read_as_it_is_written() -> None:
    said = Registration(
        name="nb-1", lifetime_s=300, sleeps=True, objects=frozenset({("19", "0"), ("3331", "0")})
    )

    assert registration_of(queries_of(said), links_to(said.objects)) == said


@pytest.mark.parametrize(
    ("queries", "sleeps"),
    [(["b=U"], False), (["b=UQ"], True), (["b=U", "Q"], True), (["b=U", "Q="], True), ([], False)],
)
def test_queue_mode_is_sleep_in_both_versions(queries: list[str], sleeps: bool) -> None:
    assert registration_of(["ep=nb-1", *queries], b"").sleeps is sleeps


def test_a_lifetime_is_as_said_as_usual_or_a_month() -> None:
    lifetimes = [
        registration_of(["ep=nb-1", *said], b"").lifetime_s for said in (["lt=60"], [], ["lt=999999999"])
    ]

    assert lifetimes == [60, LIFETIME_S_USUAL, LIFETIME_S_MAX]


@pytest.mark.parametrize(
    "queries", [[], ["ep="], ["ep=a b"], ["ep=" + "x" * 65], ["ep=x", "lt=-1"], ["ep=x", "lt=0"]]
)
def test_a_registration_without_a_name_or_with_a_lifetime_of_nothing_is_refused(queries: list[str]) -> None:
    with pytest.raises(RegistrationMalformed):
        registration_of(queries, b"")


def test_links_to_anything_else_and_too_many_are_passed_over() -> None:
    assert objects_of(b'</>;rt="oma.lwm2m";ct=11543,</1/0>,</3>;ver=1.1,<http://x/4/0>,\xff') == {
        ("1", "0"),
        ("3",),
    }
    assert len(objects_of(links_to((str(number), "0") for number in range(200)))) == OBJECTS_MAX


def test_the_example_of_the_standard_is_read() -> None:
    # LwM2M 1.0, 6.4.3.2, table 24: the device object, its manufacturer and its power sources.
    octets = bytes.fromhex("c800144f70656e204d6f62696c6520416c6c69616e63658606410001410105")

    [manufacturer, sources] = tlv.decode(octets)

    assert (manufacturer.number, manufacturer.value) == (0, b"Open Mobile Alliance")
    assert [(entry.number, tlv.integer_of(entry.value)) for entry in sources.entries] == [(0, 1), (1, 5)]


ENTRIES = st.builds(
    tlv.Entry,
    holds=st.sampled_from([tlv.Holds.RESOURCE, tlv.Holds.RESOURCE_INSTANCE]),
    number=st.integers(0, 0xFFFF),
    value=st.binary(max_size=300),
)


@given(st.lists(ENTRIES, max_size=5))
def test_entries_are_read_as_they_are_written(entries: list[tlv.Entry]) -> None:
    assert list(tlv.decode(tlv.encode(entries))) == entries


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_are_read_as_they_are_written(value: int) -> None:
    assert tlv.integer_of(tlv.integer_to(value)) == value


def test_nesting_without_end_is_refused() -> None:
    octets = b""
    for _ in range(5):
        octets = tlv.encode([tlv.Entry(holds=tlv.Holds.RESOURCE, number=1, value=octets or b"x")])
        octets = bytes([octets[0] & 0x3F]) + octets[1:]

    with pytest.raises(ProtocolError, match="deep"):
        tlv.decode(octets)


VALUES = st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20) | st.binary(max_size=20)


@given(st.dictionaries(st.text(max_size=10), VALUES, max_size=5))
def test_records_are_read_as_they_are_written_in_cbor(records: dict[str, Plain]) -> None:
    assert senml.from_cbor(senml.to_cbor(records)) == records


@given(
    st.dictionaries(st.text(max_size=10), st.booleans() | st.integers() | st.text(max_size=20), max_size=5)
)
def test_records_are_read_as_they_are_written_in_json(records: dict[str, Plain]) -> None:
    assert senml.from_json(senml.to_json(records)) == records


def test_base_names_are_resolved() -> None:
    said = (
        b'[{"bn":"/3305/0/","n":"5800","v":512},{"n":"5805","v":4711},{"bn":"/3306/0/","n":"5850","vb":true}]'
    )

    assert senml.from_json(said) == {"/3305/0/5800": 512, "/3305/0/5805": 4711, "/3306/0/5850": True}


def test_numbers_with_decimals_are_exact() -> None:
    said = {"/3305/0/5820": Decimal("0.85")}

    assert senml.from_json(b'[{"n":"/3305/0/5820","v":0.85}]') == said
    assert senml.from_cbor(cbor2.dumps([{0: "/3305/0/5820", 2: 0.85}])) == said


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{}",
        b"[1]",
        b'[{"n":1,"v":2}]',
        b'[{"n":"a","v":true}]',
        b'[{"n":"a","v":1,"vs":"x"}]',
        b'[{"n":"a","v":1},{"n":"a","v":2}]',
        b'[{"n":"a","v":NaN}]',
        b'[{"n":"a","v":' + b"9" * 100 + b"}]",
        b'[{"n":"a","vd":"\xc3\xa9"}]',
        b"[" * 100_000,
    ],
)
def test_what_is_no_list_of_records_is_refused(said: bytes) -> None:
    with pytest.raises(ProtocolError):
        senml.from_json(said)


@given(st.binary(max_size=60) | st.recursive(VALUES | st.none(), st.lists, max_leaves=5).map(cbor2.dumps))
def test_any_bytes_are_values_or_refused(octets: bytes) -> None:
    for read in (senml.from_cbor, senml.from_json, tlv.decode):
        try:
            read(octets)
        except ProtocolError:
            continue


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/3305/0/5800", "power measurement: active power, W"),
        ("/19/1/0", "binary container: opaque"),
        ("/10243", "single-phase meter"),
        ("/rd/x", ""),
        ("", ""),
        ("/99999/0/1", ""),
    ],
)
def test_paths_are_named(path: str, name: str) -> None:
    assert objects.name_of(objects.path_of(path)) == name

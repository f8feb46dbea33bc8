"""Sites and prices as tables: what is read, and what is refused by its row and field."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compuerta.domain.advice import Signal, Standing
from compuerta.domain.party import RoadKind
from compuerta.services.advice_csv import TableRefused, read_prices, read_site, write_site

HEADING = (
    "place,x_m,y_m,meters,building,floor,rsrp_4g_dbm,snr_4g_db,signal,lan,"
    "road,line,retries_percent,latency_ms"
)


def complaints(text: str) -> list[tuple[int, str]]:
    with pytest.raises(TableRefused) as refused:
        read_site(text)
    return [(each.row, each.column) for each in refused.value.complaints]


def test_a_row_is_a_place_with_all_that_is_known_of_it() -> None:
    (spot,) = read_site(f"{HEADING}\nshop 3,-12.5,4,8,A,-1,-97,11,estimated,yes,rs485,bus 1,2.25,1800\n")

    assert (spot.name, spot.x_cm, spot.y_cm, spot.meters, spot.floor) == ("shop 3", -1_250, 400, 8, -1)
    assert spot.mobile == Signal(rsrp_dbm=-97, snr_db=11)
    assert spot.nbiot is None
    assert spot.estimated and spot.lan
    assert spot.standing == Standing(road=RoadKind.RS485, line="bus 1", retries_ppm=22_500, latency_ms=1_800)


def test_every_field_that_is_wrong_is_told_by_its_row() -> None:
    text = f"{HEADING}\na,0,0,1,,,,,,,,,,\nb,x,0,1,,,,,,,,,,\nc,0,0,0,,,,,,,,,,\na,0,0,1,,,,,,,,,,\n"

    assert complaints(text) == [(3, "x_m"), (4, "meters"), (5, "place")]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("a,0,0,1,,,-20,,,,,,,", "rsrp_4g_dbm"),
        ("a,0,0,1,,,,5,,,,,,", "rsrp_4g_dbm"),
        ("a,0,0,1,,,,,guess,,,,,", "signal"),
        ("a,0,0,1,,,,,,maybe,,,,", "lan"),
        ("a,0,0,1,,,,,,,5g,,,", "road"),
        ("a,0,0,1,,,,,,,,,3,", "retries_percent"),
        ("a,0,0,1,,,,,,,4g,,101,", "retries_percent"),
        ("a,0,0,1,,1e3,,,,,,,,", "floor"),
        ("a,0,0,٣,,,,,,,,,,", "meters"),
        ("a,99999,0,1,,,,,,,,,,", "x_m"),
        (",0,0,1,,,,,,,,,,", "place"),
        ("a,0,0", "row"),
    ],
)
def test_a_field_that_cannot_be_used_is_refused(row: str, column: str) -> None:
    assert complaints(f"{HEADING}\n{row}\n") == [(2, column)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no column place"),
        ("place,x_m,y_m,meters,colour\na,0,0,1,red\n", "'colour' is no column of ours"),
        ("place,x_m,y_m,meters,meters\na,0,0,1,1\n", "a column is there twice"),
        (HEADING + "\n", "a site has at least one place"),
    ],
)
def test_a_table_that_is_no_site_is_refused(text: str, reason: str) -> None:
    with pytest.raises(TableRefused, match=reason):
        read_site(text)


def test_a_table_with_semicolons_and_decimal_commas_is_read() -> None:
    (spot,) = read_site("\ufeffplace;x_m;y_m;meters\r\nshop;10,5;-2,25;3\r\n")

    assert (spot.x_cm, spot.y_cm, spot.meters) == (1_050, -225, 3)
    assert read_prices("what;value\ncable_metre;4,75\n").prices.cable_metre == 475


def test_a_site_that_is_written_is_read_again() -> None:
    spots = read_site(f"{HEADING}\nshop 3,-12.5,4,8,A,-1,-97,11,estimated,yes,rs485,bus 1,2.25,1800\n")
    written = io.StringIO()

    csv.writer(written).writerows(write_site(spots))

    assert read_site(written.getvalue()) == spots


@given(st.text(max_size=200))
def test_any_text_is_a_site_or_is_refused(text: str) -> None:
    try:
        assert read_site("place,x_m,y_m,meters\n" + text)
    except TableRefused as refused:
        assert refused.complaints


def test_prices_are_read_in_the_currency_s_own_amounts() -> None:
    costing = read_prices("what,value\ngateway,1250.50\ncurrency,MXN\nmeters_per_line,64\n")

    assert (costing.prices.gateway, costing.prices.currency) == (125_050, "MXN")
    assert costing.practice.meters_per_line == 64
    assert costing.prices.visit == read_prices("what,value").prices.visit


@pytest.mark.parametrize(
    "row",
    [
        "currency,ZZZ",
        "gateway,-1",
        "gateway,1.005",
        "gold,1",
        "meters_per_line,200",
        "line_m_max,1300",
        "years,0",
    ],
)
def test_a_price_that_cannot_be_is_refused(row: str) -> None:
    with pytest.raises(TableRefused) as refused:
        read_prices(f"what,value\n{row}\n")

    assert refused.value.complaints[0].row == 2

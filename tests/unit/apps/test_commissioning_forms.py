"""What may be brought in from the page of commissioning: modules, and meters on lines that are there."""

from uuid import UUID

import pytest

from compuerta.apps.console.commissioning_forms import table
from compuerta.services.founding import RowFault, RowsFaulty

FORM = {"act_id": str(UUID(int=1)), "site": "1"}
HEAD = (
    "building,floor,place,meter_no,customer_no,model,credit_authority,road,endpoint_id,address,baud,tariff_id,"
    "register_kwh,contracted_kw,bearer"
)


def a_row(road: str, end: str, *, address: str = "", baud: str = "", bearer: str = "") -> str:
    return f"A,1,shop,777000000101,,a-model,platform,{road},{end},{address},{baud},1,0,,{bearer}"


@pytest.mark.parametrize(
    "row",
    [
        a_row("rs485", "cellar"),  # is there
        a_row("4g", "module"),
        a_row("4g", "module", bearer="mqtt"),
        a_row("nbiot", "module", bearer="operator"),
    ],
)
def test_a_table_brings_in_modules_and_meters_on_known_lines(row: str) -> None:
    wish = table(FORM, f"{HEAD}\n{row}", organisation_id=1, lines={"cellar"})

    assert [each.meter_no for each in wish.rows] == ["777000000101"]


@pytest.mark.parametrize(
    "row",
    [
        a_row("rs485", "new", address="/dev/ttyUSB7", baud="2400"),
        a_row("rs485", "new", address="rtu://192.0.2.1:22", baud="9600", bearer="dial_out"),
        a_row("rs485", "new", address="post-1/2", baud="9600", bearer="outpost"),
    ],
)
def test_no_table_of_a_fitter_names_a_device_a_host_or_an_outpost(row: str) -> None:
    with pytest.raises(RowsFaulty) as refused:
        table(FORM, f"{HEAD}\n{row}", organisation_id=1, lines={"cellar"})

    reason = "a new line is entered by hand"
    assert refused.value.faults == (RowFault(row=1, field="bearer", reason=reason, code="line_by_hand"),)

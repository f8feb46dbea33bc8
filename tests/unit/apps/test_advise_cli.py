"""`compuerta advise`: a site in, facts and a picture out, and one line for what is refused."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from compuerta.apps.cli import app
from compuerta.domain.errors import Refused

SITE = "place,x_m,y_m,meters,rsrp_nb_dbm\nflat 1,0,0,1,-90\nflat 2,9,0,1,-90\n"


def run(folder: Path, *options: str, site: str = SITE) -> tuple[str, BaseException | None]:
    (folder / "site.csv").write_text(site)
    ran = CliRunner().invoke(app, ["advise", str(folder / "site.csv"), "--seconds", "4", *options])
    return ran.stdout, ran.exception


@pytest.mark.slow
def test_a_site_is_advised_in_facts_and_pictures(tmp_path: Path) -> None:
    told, failure = run(tmp_path, "--json", "--plot", str(tmp_path / "plan.svg"))
    _, again = run(tmp_path, "--plot", str(tmp_path / "plan.png"))

    assert failure is None and again is None
    facts = json.loads(told)
    assert facts["proven"]
    assert facts["meters"] == {"4g": 0, "rs485": 0, "nbiot": 2}
    assert (tmp_path / "plan.svg").read_text().startswith("<svg")
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_meters_that_no_road_reaches_are_told_first(tmp_path: Path) -> None:
    told, _ = run(tmp_path, site="place,x_m,y_m,meters\na,0,0,3\n")

    assert told.startswith("0.00 CNY; 3 without a road that is good enough")


@pytest.mark.parametrize(
    ("options", "site", "told"),
    [
        ((), "place,x_m,y_m,meters\na,0,0,none\n", "row 2, meters"),
        (("--plot", "plan.pdf"), SITE, "a plot is .svg or .png"),
        (("--prices", "nowhere.csv"), SITE, "No such file"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, options: tuple[str, ...], site: str, told: str
) -> None:
    _, failure = run(tmp_path, *options, site=site)

    assert isinstance(failure, Refused)
    assert told in str(failure)

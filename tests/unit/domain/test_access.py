"""What grants give in a place; and where several places are meant, in each of them."""

from compuerta.domain.access import Place, Right, covers, may_in_all

NORTH, SOUTH = Place(organisation_id=1, site_id=1), Place(organisation_id=1, site_id=2)


def may_in_the_north(right: Right, place: Place) -> bool:
    return right in {Right.MOVE, Right.SEE} and covers(NORTH, place)


def test_a_right_in_several_places_is_a_right_in_each() -> None:
    inside = Place(organisation_id=1, site_id=1, building="A")

    assert may_in_all(may_in_the_north, {Right.MOVE, Right.SEE}, [NORTH, inside])
    assert not may_in_all(may_in_the_north, {Right.MOVE}, [NORTH, SOUTH])
    assert not may_in_all(may_in_the_north, {Right.MOVE, Right.SWITCH}, [NORTH])


def test_a_right_in_no_place_is_no_right() -> None:
    assert not may_in_all(may_in_the_north, {Right.MOVE}, [])
    assert not may_in_all(may_in_the_north, set(), [NORTH])

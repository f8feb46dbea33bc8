"""The soft ESAM: what is accepted, and what is not."""

import pytest

from compuerta.drivers import mac

METER_NO = "558890213594"
RAND1 = bytes(range(8))
RAND2 = b"\xa1\xa2\xa3\xa4"


def an_esam(key: bytes = b"k" * 16) -> mac.SoftEsam:
    return mac.SoftEsam(key)


def test_the_meter_believes_the_keeper_of_its_key() -> None:
    cipher = an_esam().identity(METER_NO, rand1=RAND1)

    assert len(cipher) == 8
    assert an_esam().identity_holds(METER_NO, rand1=RAND1, cipher=cipher)


@pytest.mark.parametrize(
    ("meter_no", "rand1", "key"),
    [("558890213595", RAND1, b"k" * 16), (METER_NO, bytes(8), b"k" * 16), (METER_NO, RAND1, b"j" * 16)],
)
def test_an_identity_of_another_meter_challenge_or_key_is_not_believed(
    meter_no: str, rand1: bytes, key: bytes
) -> None:
    cipher = an_esam(key).identity(meter_no, rand1=rand1)

    assert not an_esam().identity_holds(METER_NO, rand1=RAND1, cipher=cipher)


def test_a_code_binds_the_amount_the_count_and_the_challenge() -> None:
    payload = mac.purchase_payload(amount_minor=10_000, purchase_no=2)
    code = an_esam().mac(METER_NO, rand2=RAND2, payload=payload)
    another = mac.purchase_payload(amount_minor=10_001, purchase_no=2)

    assert len(code) == 4
    assert an_esam().mac_holds(METER_NO, rand2=RAND2, payload=payload, mac=code)
    assert not an_esam().mac_holds(METER_NO, rand2=RAND2, payload=another, mac=code)
    assert not an_esam().mac_holds(METER_NO, rand2=bytes(4), payload=payload, mac=code)
    assert not an_esam().mac_holds(METER_NO, rand2=RAND2, payload=payload, mac=code[:3])


def test_payloads_are_what_the_wire_carries() -> None:
    assert mac.purchase_payload(amount_minor=10_000, purchase_no=2).hex() == "1027000002000000"
    assert mac.customer_payload("000000123456").hex() == "563412000000"


def test_a_key_that_can_be_guessed_is_not_taken() -> None:
    with pytest.raises(AssertionError):
        mac.SoftEsam(b"short")

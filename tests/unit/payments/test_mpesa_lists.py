"""M-Pesa's lists of what was paid: an instant that no calendar holds is one named refusal."""

import json

import pytest

from compuerta.wire.mpesa import bodies
from compuerta.wire.mpesa.fields import BodyMalformed

ROW = {
    "transactionId": "SIM1",
    "trxDate": "2026-11-22T10:00:00",
    "transactiontype": "c2b-pay-bill-debit",
    "billreference": "000000000001",
    "amount": "50.00",
}


@pytest.mark.parametrize("told", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "yesterday"])
def test_an_instant_that_cannot_be_is_malformed(told: str) -> None:
    with pytest.raises(BodyMalformed):
        bodies.read_pulled(json.dumps({**ROW, "trxDate": told}).encode())

    assert bodies.read_pulled(json.dumps(ROW).encode()).receipt == "SIM1"

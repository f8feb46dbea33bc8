"""What knocks at the running house and does not belong there: refused, kept, told, and nobody is credited."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import town
from compuerta.apps.stage import Stage
from compuerta.virtual.wechat.keys import ProviderKeys, keys_in
from compuerta.wire.wechat import bodies, resource, signature
from compuerta.wire.wechat.bodies import Envelope, TradeState, Transaction

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

ENDED_WITHIN_S = 20
STRANGER = "990000000000001"
WORKERS = "select from role_beat where role = 'worker' and beat_at > now() - interval '5 s'"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(homes=town.plan(), public=False, fast_test=True) as stage:
        stage.open(lambda _: None)
        yield stage


@pytest.fixture(scope="module")
def keys(stage: Stage) -> ProviderKeys:
    return keys_in(stage.provider_keys / "wechat", now=datetime.now(UTC)).provider()


# Two processes for one role.


def test_a_second_gateway_on_the_same_port_says_why_not(stage: Stage) -> None:
    said = ended(stage, "gateway")

    assert said.returncode == 1
    assert f"127.0.0.1:{stage.ports.road}" in said.stderr
    assert "in use" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_second_door_on_the_same_port_says_why_not(stage: Stage) -> None:
    said = ended(stage, "door")

    assert said.returncode != 0
    assert "address already in use" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_second_worker_works(stage: Stage) -> None:
    stage.crew.start_role("worker", "second worker")

    stage.wait_for("two workers", lambda: len(rows(stage, WORKERS)) == 2)


# The road.


def test_an_unknown_registration_is_refused_and_listed(stage: Stage) -> None:
    with socket.create_connection(("127.0.0.1", stage.ports.road), timeout=ENDED_WITHIN_S) as wire:
        wire.sendall(f"CPT1:{STRANGER}".encode())
        answer = wire_until_closed(wire)

    assert answer == b""
    stage.wait_for("the alarm", lambda: STRANGER in strangers(stage))
    assert not rows(stage, "select from endpoint_state where endpoint_id = %(id)s", id=STRANGER)


def test_bytes_that_are_no_registration_are_refused_and_listed(stage: Stage) -> None:
    with socket.create_connection(("127.0.0.1", stage.ports.road), timeout=ENDED_WITHIN_S) as wire:
        wire.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = wire_until_closed(wire)

    assert answer == b""
    stage.wait_for("the alarm", lambda: b"GET / HTTP/1.0\r\n\r\n".hex() in strangers(stage))


# Notices.

Spoil = Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]]


def unsigned(headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    return {"content-type": headers["content-type"]}, body


def other_body(headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    return headers, body + b" "


def stranger_key(headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    return {**headers, signature.SERIAL: "PUB_KEY_ID_0000000000000000000000000000000"}, body


def other_time(headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    return {**headers, signature.TIMESTAMP: str(int(headers[signature.TIMESTAMP]) - 1)}, body


@pytest.mark.parametrize("spoil", [unsigned, other_body, stranger_key, other_time])
def test_a_forged_notice_is_refused_kept_and_alarmed(stage: Stage, keys: ProviderKeys, spoil: Spoil) -> None:
    reference = an_order(stage)
    before = rows(stage, "select from inbound_message"), alarm_times(stage)
    headers, body = spoil(*a_notice(keys, reference))

    answer = tell(stage, headers, body)

    assert 400 <= answer.status_code < 500
    kept = rows(stage, "select body, verdict from inbound_message order by heard_at")
    assert len(kept) == len(before[0]) + 1
    assert kept[-1]["body"] == body
    assert alarm_times(stage) == before[1] + 1
    assert not payments(stage, reference)


def test_a_notice_that_was_signed_long_ago_is_refused(stage: Stage, keys: ProviderKeys) -> None:
    reference = an_order(stage)
    long_ago = datetime.now(UTC) - timedelta(seconds=signature.SKEW_S_MAX + 10)

    answer = tell(stage, *a_notice(keys, reference, at=long_ago))

    assert 400 <= answer.status_code < 500
    assert not payments(stage, reference)


def test_a_strangers_notice_causes_no_outgoing_call(stage: Stage, keys: ProviderKeys) -> None:
    headers, body = other_body(*a_notice(keys, uuid4().hex))

    # The worker asks on its own account; the provider, stopped, leaves unread what anybody asks of it.
    with stopped(stage, "worker", "provider"):
        before = heard_by(stage.ports.provider)
        answer = tell(stage, headers, body)
        after = heard_by(stage.ports.provider)

    assert 400 <= answer.status_code < 500
    assert after == before


def test_a_notice_of_another_amount_becomes_a_case(stage: Stage, keys: ProviderKeys) -> None:
    reference = an_order(stage, amount_minor=500)

    answer = tell(stage, *a_notice(keys, reference, total_fen=50_000))

    assert answer.status_code == 204
    (payment,) = payments(stage, reference)
    assert (payment["verdict"], payment["amount_minor"]) == ("suspended", 50_000)
    assert cases(stage, "amount_differs", payment["transaction_no"])
    assert not rows(
        stage, "select from recharge where payment_id = %(payment_id)s", payment_id=payment["payment_id"]
    )


def test_a_notice_of_an_unknown_order_becomes_a_case(stage: Stage, keys: ProviderKeys) -> None:
    reference = uuid4().hex

    answer = tell(stage, *a_notice(keys, reference))

    assert answer.status_code == 204
    (payment,) = payments(stage, reference)
    assert payment["verdict"] == "suspended"
    assert cases(stage, "reference_unknown", payment["transaction_no"])


def test_a_replayed_notice_credits_once(stage: Stage, keys: ProviderKeys) -> None:
    reference = an_order(stage)
    notice = a_notice(keys, reference)

    answers = [tell(stage, *notice).status_code for _ in range(3)]

    assert answers == [204, 204, 204]
    (payment,) = payments(stage, reference)
    assert payment["verdict"] == "credited"


def test_a_notice_for_a_provider_that_we_have_not_is_not_found(stage: Stage) -> None:
    answer = stage.client.post(f"{stage.console_url}/notices/nobody", content=b"{}")

    assert answer.status_code == 404


# What the tests say.


def an_order(stage: Stage, *, amount_minor: int = 500) -> str:
    order = stage.recharge(
        stage.town.homes[0], attempt_id=str(uuid4()), provider="wechat", amount_minor=amount_minor
    )
    reference: str = order["reference"]
    return reference


def a_notice(
    keys: ProviderKeys, reference: str, *, total_fen: int = 500, at: datetime | None = None
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a notice with the provider's own signature."""
    now = at or datetime.now(UTC)
    transaction = Transaction(
        appid="wx0000000000000001",
        mchid="1900000001",
        out_trade_no=reference,
        state=TradeState.SUCCESS,
        total_fen=total_fen,
        currency="CNY",
        payer_total_fen=total_fen,
        transaction_id=f"42{uuid4().int % 10**26:026d}",
        success_at=now.replace(microsecond=0),
        payer="oSomebody",
    )
    sealed = resource.seal(
        bodies.build_transaction(transaction),
        key=keys.api_key,
        nonce=os.urandom(6).hex(),
        original_type="transaction",
    )
    body = bodies.build_envelope(
        Envelope(notice_id=uuid4().hex, event_type="TRANSACTION.SUCCESS", created_at=now, resource=sealed)
    )
    headers = signature.signed_headers(
        serial=keys.public_key_id,
        stamp=signature.stamp(now=now, chance=os.urandom(16)),
        body=body,
        signer=keys.signers[keys.public_key_id],
    )
    return {"content-type": "application/json", **headers}, body


def tell(stage: Stage, headers: Mapping[str, str], body: bytes) -> httpx.Response:
    return stage.client.post(f"{stage.console_url}/notices/wechat", content=body, headers=headers)


def ended(stage: Stage, role: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "compuerta.apps.cli", role],
        env={**os.environ, **stage.environment()},
        capture_output=True,
        text=True,
        timeout=ENDED_WITHIN_S,
        check=False,
    )


def wire_until_closed(wire: socket.socket) -> bytes:
    try:
        return wire.recv(1_000)
    except ConnectionResetError:
        return b""


@contextmanager
def stopped(stage: Stage, *names: str) -> Iterator[None]:
    members = [member for member in stage.crew.members.values() if member.name.split()[-1] in names]
    processes = [member.process for member in members if member.process is not None]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def heard_by(port: int) -> set[tuple[str, str]]:
    """Each connection to a port of this machine, with what its owner has not read yet."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    here = [line for line in lines if int(line[1].rpartition(":")[2], 16) == port]
    return {(line[2], line[4].partition(":")[2]) for line in here}


def rows(stage: Stage, statement: str, **values: object) -> list[dict[str, Any]]:
    store = PostgresStore(stage.url)
    try:
        return store.query(statement, values)
    finally:
        store.shut()


def strangers(stage: Stage) -> set[str]:
    return {
        row["subject"] for row in rows(stage, "select subject from alarm where kind = 'registration_unknown'")
    }


def alarm_times(stage: Stage) -> int:
    return sum(row["times"] for row in rows(stage, "select times from alarm where kind = 'notice_refused'"))


def payments(stage: Stage, reference: str) -> list[dict[str, Any]]:
    return rows(stage, "select * from payment where reference = %(reference)s", reference=reference)


def cases(stage: Stage, kind: str, about: str) -> list[dict[str, Any]]:
    return rows(
        stage,
        "select from case_file where kind = %(kind)s and position(%(about)s in detail) > 0",
        kind=kind,
        about=about,
    )

"""Recharges by signed notices over HTTP, against the least that a database can do for one, in the same run.

Ours: the provider's genuine notices go over loopback into a real door process, which verifies the signature,
opens the sealed resource, keeps the raw message, and commits payment, posting, recharge, instants and
instruction, before it answers. One notice in ten is a repetition.
The floor: pgbench on the same server with as many clients, each transaction one prepared statement that makes
a unique payment, two posting lines, a balance and an instruction.
Both are durable (fsync and synchronous_commit on). Rounds alternate, and the medians count, since the machine
is shared. What is compared is credits: answered repetitions are work that we do and do not count.

    python bench/notices.py [--rounds 5] [--clients 8]
"""

import argparse
import asyncio
import os
import re
import statistics
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import _stand
import psycopg
from _stand import Stand, told

from compuerta.adapters.postgres.binaries import ServerAccount, find_binaries
from compuerta.apps import wiring

HOMES = 1_000
CREDITS = 4_000  # per round
REPEATED_EVERY = 10  # one credit in so many is told a second time
FLOOR_S = 3
TARGET_RATIO = 0.4
TARGET_P99_MS = 50.0

FLOOR_SCHEMA = """
create schema floor;
create table floor.account (
    account_id bigint primary key,
    balance_minor bigint not null default 0 check (balance_minor >= 0),
    purchase_no bigint not null default 0
) with (fillfactor = 70);
create table floor.payment (
    transaction_no bigint primary key, account_id bigint not null, amount_minor bigint not null,
    at timestamptz not null default now()
);
create table floor.posting (
    account_id bigint not null, transaction_no bigint not null, code text not null,
    amount_minor bigint not null, primary key (account_id, transaction_no, code)
);
create table floor.instruction (
    account_id bigint not null, purchase_no bigint not null, amount_minor bigint not null,
    state text not null default 'waiting', due_at timestamptz not null default now(),
    primary key (account_id, purchase_no)
);
"""
FLOOR_SCRIPT = r"""
\set account random(1, {homes})
\set number random(1, 1000000000000000)
with paid as (
    insert into floor.payment (transaction_no, account_id, amount_minor) values (:number, :account, 1000)
    on conflict do nothing returning *
), posted as (
    insert into floor.posting
    select account_id, transaction_no, code, sign * amount_minor
    from paid, (values ('cash', 1), ('undelivered', -1)) as line (code, sign)
), held as (
    update floor.account a
    set balance_minor = a.balance_minor + p.amount_minor, purchase_no = a.purchase_no + 1
    from paid p where a.account_id = p.account_id returning a.account_id, a.purchase_no, p.amount_minor
)
insert into floor.instruction (account_id, purchase_no, amount_minor) select * from held;
"""
CREDITED = """
select
    (select count(*) from payment where verdict = 'credited') as payments,
    (select count(*) from instruction where kind = 'recharge') as instructions,
    (select coalesce(sum(undelivered_minor), 0)::bigint from account_state) as owed_minor,
    (select coalesce(sum(amount_minor), 0)::bigint from posting_line where code = 'cash:wechat') as cash,
    (select count(*) from inbound_message) as messages,
    (select count(*) from case_file) + (select count(*) from alarm) as doubts
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knocked:
    """How one round of notices went."""

    seconds: float
    latencies_ms: list[float]
    refused: int


def main() -> None:
    """This will print the medians, their ratio, and whether the books are right."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    given = parser.parse_args()
    # A client of its own process: what it computes must not be taken for the door's.
    with (
        _stand.standing([_stand.a_home(place) for place in range(HOMES)]) as stand,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart,
    ):
        floor = Floor(stand, clients=given.clients)
        _stand.open_door(stand)
        floors, ours = [], []
        for number in range(given.rounds + 1):
            floor_rate = floor.rate()
            requests = _round_of(stand, number)
            knocked = apart.submit(knock, stand.ports["door"], requests, given.clients).result()
            assert not knocked.refused, f"{knocked.refused} genuine notices were refused"
            if number:  # the first round warms both up
                floors.append(floor_rate)
                ours.append(knocked)
                told(f"round {number}: floor {floor_rate:6.0f}/s, credits {CREDITS / knocked.seconds:6.0f}/s")
        _verify(stand.url, rounds=given.rounds + 1)
    _report(floors, ours, clients=given.clients)


class Floor:
    """This will measure the single statement by pgbench."""

    def __init__(self, stand: Stand, *, clients: int) -> None:
        data_dir = stand.directory / "postgres"
        account = ServerAccount.for_directory(data_dir)
        script = stand.directory / "floor.sql"
        script.write_text(FLOOR_SCRIPT.format(homes=HOMES), encoding="utf-8")
        with psycopg.connect(stand.url) as connection:
            connection.execute(FLOOR_SCHEMA)
            connection.execute("insert into floor.account select generate_series(1, %s)", [HOMES])
        self._command = [
            *(str(find_binaries(data_dir, account=account) / "pgbench"), "--no-vacuum"),
            *("-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(FLOOR_S), "-f", str(script)),
            stand.url,
        ]

    def rate(self) -> float:
        """This will run it for some seconds, and return transactions per second."""
        said = subprocess.run(self._command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"tps = ([0-9.]+)", said)
        assert found, said
        return float(found[1])


class _Client(asyncio.Protocol):
    """One connection that is kept alive. (It inherits, since asyncio gives its callbacks to nothing else.)"""

    def __init__(self, requests: list[bytes], latencies_ms: list[float]) -> None:
        self.over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._requests = requests  # shared: whoever is free takes the next
        self._latencies_ms = latencies_ms
        self._refused = 0
        self._sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        # An accepted notice is answered by a head alone, which is one packet on loopback.
        self._latencies_ms.append((time.perf_counter() - self._sent_s) * 1_000)
        self._refused += not data.startswith(b"HTTP/1.1 204")
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(exc or ConnectionError("the door hung up"))

    def _next(self) -> None:
        if self._requests:
            self._sent_s = time.perf_counter()
            self._transport.write(self._requests.pop())
        else:
            self.over.set_result(self._refused)
            self._transport.close()


def knock(port: int, requests: list[bytes], clients: int) -> Knocked:
    """This will send all requests by so many clients, each waiting for its answer before the next."""

    async def run() -> Knocked:
        loop = asyncio.get_running_loop()
        latencies_ms: list[float] = []
        began_s = time.perf_counter()
        callers = [
            await loop.create_connection(lambda: _Client(requests, latencies_ms), "127.0.0.1", port)
            for _ in range(clients)
        ]
        refused = await asyncio.gather(*(client.over for _, client in callers))
        return Knocked(seconds=time.perf_counter() - began_s, latencies_ms=latencies_ms, refused=sum(refused))

    return asyncio.run(run())


def _round_of(stand: Stand, number: int) -> list[bytes]:
    """One round's requests: fresh orders over all accounts, and the repetitions among them."""
    account_ids = [stand.homes[place % HOMES].account_id for place in range(CREDITS)]
    references = _stand.place_orders(stand.url, prefix=f"R{number}N", account_ids=account_ids)
    keys = stand.keys.provider()
    requests = []
    for place, reference in enumerate(references):
        notice = _stand.signed_notice(keys, reference, now=wiring.now(), chance=os.urandom(16))
        requests.append(_stand.on_the_wire(notice))
        if place % REPEATED_EVERY == REPEATED_EVERY - 1:
            requests.append(requests[len(requests) // 2])
    return requests


def _verify(url: str, *, rounds: int) -> None:
    told_times = rounds * (CREDITS + CREDITS // REPEATED_EVERY)
    with psycopg.connect(url) as connection:
        row = connection.execute(CREDITED).fetchone()
    credited = rounds * CREDITS
    amount_minor = credited * _stand.AMOUNT_MINOR
    wanted = (credited, credited, amount_minor, amount_minor, told_times, 0)
    assert row == wanted, f"the books say {row}, and should say {wanted}"
    told(f"books: {credited} credits of {told_times} notices, {amount_minor} minor units on both sides")


def _report(floors: Sequence[float], ours: Sequence[Knocked], *, clients: int) -> None:
    rates = [CREDITS / each.seconds for each in ours]
    ratio = statistics.median(rate / floor for rate, floor in zip(rates, floors, strict=True))
    latencies_ms = [latency for each in ours for latency in each.latencies_ms]
    p50, p95, p99 = (_stand.percentile(latencies_ms, rank) for rank in (50, 95, 99))
    p99_median = statistics.median(_stand.percentile(each.latencies_ms, 99) for each in ours)
    told(
        f"floor (one statement)   {statistics.median(floors):8.0f} /s  median, {clients} clients\n"
        f"credits by notice       {statistics.median(rates):8.0f} /s  median, {clients} clients\n"
        f"ratio                   {ratio:8.2f}     target {TARGET_RATIO}\n"
        f"answer p50 / p95 / p99  {p50:.1f} / {p95:.1f} / {p99:.1f} ms; "
        f"median p99 of a round {p99_median:.1f} ms, target {TARGET_P99_MS:.0f} ms"
    )


if __name__ == "__main__":
    main()

"""Recharges by signed notices over HTTP, against the least that a database can do for one, in the same run.

Ours: the provider's genuine notices go over loopback into a real door process, which verifies the signature,
opens the sealed resource, keeps the raw message, and commits payment, posting, recharge, instants and
instruction, before it answers. One notice in ten is a repetition, and one in fifty is forged: it has the
signature of another, which costs the door as much to find out.
The floor: pgbench on the same server with as many clients; each transaction is one prepared statement that
leaves the rows that a recharge of ours leaves, in copies of our tables: it is told what to write and looks
nothing up, verifies nothing, and talks to nobody.
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
from dataclasses import dataclass, replace
from multiprocessing import get_context

import _stand
import psycopg
from _stand import Stand, told

from compuerta.adapters.postgres.binaries import ServerAccount, find_binaries
from compuerta.apps import wiring
from compuerta.services.payment_ports import HttpRequest
from compuerta.wire.wechat import signature

HOMES = 1_000
CREDITS = 4_000  # per round
REPEATED_EVERY = 10  # one credit in so many is told a second time
FORGED_EVERY = 50  # one credit in so many is told by a stranger, too
FLOOR_S = 3
TARGET_RATIO = 0.4
TARGET_P99_MS = 50.0
TARGET_RATE = 1_000  # notices of all kinds a second
_LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]+)", re.IGNORECASE)

# Copies of our own tables, with their checks, indexes and the foreign keys that a recharge passes.
FLOOR_TABLES = (
    "payment_reference", "inbound_message", "payment", "posting", "recharge", "recharge_instant",
    "instruction", "account_state", "meter_state",
)  # fmt: skip
FLOOR_SCHEMA = """
alter table floor.recharge add foreign key (account_id, payment_id) references floor.payment;
alter table floor.recharge_instant add foreign key (account_id, recharge_id) references floor.recharge;
insert into floor.account_state (account_id) select generate_series(1, {homes});
insert into floor.meter_state (meter_id) select generate_series(1, {homes});
"""
# chr(58) is a colon, which pgbench would take for a variable.
FLOOR_SCRIPT = r"""
\set home random(1, {homes})
\set number random(1, 1000000000000000)
with new as (
    insert into floor.payment_reference (provider, kind, reference, account_id, row_id)
    values ('wechat', 'transaction', :number, :home, gen_random_uuid())
    on conflict do nothing returning account_id, reference, row_id
), kept as (
    insert into floor.inbound_message
    select row_id, 'wechat', now(), jsonb_build_object('signature', repeat('0', 500)),
        convert_to(repeat('0', 900), 'UTF8'), ''
    from new
), paid as (
    insert into floor.payment
    select account_id, row_id, 'wechat', reference, reference, 1000, 'CNY', now(), now(), 'credited' from new
), posted as (
    insert into floor.posting (
        account_id, posting_id, kind, currency, codes, amounts_minor, booked_at, cause_id
    )
    select account_id, gen_random_uuid(), 'recharge', 'CNY',
        array['cash' || chr(58) || 'wechat', 'undelivered'], '{{1000,-1000}}', now(), row_id
    from new
), divided as (
    insert into floor.recharge (account_id, recharge_id, payment_id, meter_id, paid_minor, credit_minor)
    select account_id, row_id, row_id, account_id, 1000, 1000 from new
), timed as (
    insert into floor.recharge_instant
    select account_id, row_id, instant, now() from new, (values ('paid'), ('posted')) as kept (instant)
), owed as (
    update floor.account_state s set undelivered_minor = s.undelivered_minor + 1000
    from new where s.account_id = new.account_id
), counted as (
    update floor.meter_state s set purchase_no_last = s.purchase_no_last + 1
    from new where s.meter_id = new.account_id returning s.meter_id, s.purchase_no_last
)
insert into floor.instruction (
    meter_id, instruction_id, account_id, kind, state, created_at, due_at, amount_minor, purchase_no,
    recharge_id
)
select meter_id, gen_random_uuid(), account_id, 'recharge', 'waiting', now(), now(), 1000, purchase_no_last,
    row_id
from new join counted on counted.meter_id = new.account_id;
"""
CREDITED = """
select
    (select count(*) from payment where verdict = 'credited') as payments,
    (select count(*) from instruction where kind = 'recharge') as instructions,
    (select coalesce(sum(undelivered_minor), 0)::bigint from account_state) as owed_minor,
    (select coalesce(sum(amount_minor), 0)::bigint from posting_line where code = 'cash:wechat') as cash,
    (select count(*) from inbound_message where verdict = 'TRANSACTION.SUCCESS') as messages,
    (select count(*) from case_file) + (select count(*) from alarm where kind <> 'notice_refused') as doubts
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knocked:
    """How one round of notices went."""

    seconds: float
    latencies_ms: list[float]
    refused: int


def main() -> None:
    """Print the medians, their ratio, and whether the books are right."""
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
            forged = CREDITS // FORGED_EVERY
            assert knocked.refused == forged, f"{knocked.refused} notices were refused, and {forged} forged"
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
            connection.execute("create schema floor")
            for table in FLOOR_TABLES:
                connection.execute(f"create table floor.{table} (like public.{table} including all)")
            connection.execute(FLOOR_SCHEMA.format(homes=HOMES))
        self._command = [
            *(str(find_binaries(data_dir, account=account) / "pgbench"), "--no-vacuum"),
            *("-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(FLOOR_S), "-f", str(script)),
            stand.url,
        ]

    def rate(self) -> float:
        """Run it for some seconds, and return transactions per second."""
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
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, whole, body = self._heard.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not whole or len(body) < (int(length[1]) if length else 0):
            return
        self._latencies_ms.append((time.perf_counter() - self._sent_s) * 1_000)
        self._refused += not head.startswith(b"HTTP/1.1 204")
        self._heard = b""
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
    """Send all requests by so many clients, each waiting for its answer before the next."""

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
    """One round's requests: fresh orders over all accounts, with repetitions and forgeries among them."""
    account_ids = [stand.homes[place % HOMES].account_id for place in range(CREDITS)]
    references = _stand.place_orders(stand.url, prefix=f"R{number}N", account_ids=account_ids)
    keys = stand.keys.provider()
    genuine: list[bytes] = []
    forged: list[bytes] = []
    signed = ""
    for place, reference in enumerate(references):
        notice = _stand.signed_notice(keys, reference, now=wiring.now(), chance=os.urandom(16))
        genuine.append(_stand.on_the_wire(notice))
        if place % REPEATED_EVERY == REPEATED_EVERY - 1:
            genuine.append(genuine[len(genuine) // 2])
        if place % FORGED_EVERY == FORGED_EVERY - 1:
            forged.append(_stand.on_the_wire(_forged(notice, after=signed)))
        signed = notice.headers[signature.SIGNATURE]
    apart = len(genuine) // len(forged)
    for place, request in enumerate(forged):
        genuine.insert(place * (apart + 1), request)
    return genuine


def _forged(notice: HttpRequest, *, after: str) -> HttpRequest:
    return replace(notice, headers={**notice.headers, signature.SIGNATURE: after})


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
    notices = statistics.median(len(each.latencies_ms) / each.seconds for each in ours)
    p50, p95, p99 = (_stand.percentile(latencies_ms, rank) for rank in (50, 95, 99))
    p99_median = statistics.median(_stand.percentile(each.latencies_ms, 99) for each in ours)
    told(
        f"floor (one statement)   {statistics.median(floors):8.0f} /s  median, {clients} clients\n"
        f"credits by notice       {statistics.median(rates):8.0f} /s  median, {clients} clients\n"
        f"ratio                   {ratio:8.2f}     target {TARGET_RATIO}\n"
        f"notices of all kinds    {notices:8.0f} /s  target {TARGET_RATE}\n"
        f"answer p50 / p95 / p99  {p50:.1f} / {p95:.1f} / {p99:.1f} ms; "
        f"median p99 of a round {p99_median:.1f} ms, target {TARGET_P99_MS:.0f} ms"
    )


if __name__ == "__main__":
    main()

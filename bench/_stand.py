"""A stand for benchmarks: a durable database, a town as large as one likes, and the real programs on it.

It is the stage of the demonstration without its story: nothing moves but what is measured.
"""

import contextlib
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from json import dumps
from pathlib import Path
from urllib.request import urlopen
from uuid import UUID, uuid4

import psycopg

from compuerta.adapters.postgres.server import EmbeddedServer, serving
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import town, wiring
from compuerta.apps.crew import Crew
from compuerta.apps.up import migrated
from compuerta.domain.party import Bearer, RoadKind
from compuerta.domain.road import Way
from compuerta.services.payment_ports import HttpRequest
from compuerta.virtual.wechat.keys import KeySet, ProviderKeys, make_keys
from compuerta.wire.wechat import bodies, resource, signature

MCHID, APPID = "1900000001", "wx0000000000000001"
AMOUNT_MINOR = 1_000
READY_S_MAX = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """What a benchmark works on."""

    directory: Path
    url: str
    crew: Crew
    keys: KeySet
    homes: tuple[town.Home, ...]
    ports: Mapping[str, int]


@contextlib.contextmanager
def standing(homes: Sequence[town.Home], *, buses: Sequence[str] = ()) -> Iterator[Stand]:
    """Give a migrated database with these homes; everything ends with the block."""
    # Asked to end, we end what we started too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = Path(tempfile.mkdtemp(prefix="compuerta-bench-", dir="/var/tmp"))
    directory.chmod(0o755)  # the database's own account passes through it
    try:
        with serving(EmbeddedServer(directory / "postgres")) as url:
            ports = _free_ports("door", "road")
            environment = {
                "COMPUERTA_DATA": str(directory),
                "DATABASE_URL": url,
                "COMPUERTA_PORT": str(ports["door"]),
                "COMPUERTA_ROAD_PORT": str(ports["road"]),
                "COMPUERTA_POLL_S": "900",
            }
            migrated(environment)
            keys = make_keys(now=wiring.now())
            _write_provider(keys, directory=directory, door_port=ports["door"])
            store = PostgresStore(url)
            paths = {name: str(directory / name) for name in buses}
            built = town.build(store, tuple(homes), bus_paths=paths, now=wiring.now())
            store.shut()
            crew = Crew(logs=directory / "logs", environment=environment)
            try:
                yield Stand(
                    directory=directory, url=url, crew=crew, keys=keys, homes=built.homes, ports=ports
                )
            finally:
                crew.end()
    finally:
        shutil.rmtree(directory)


def a_home(place: int, *, bus: str | None = None) -> town.Home:
    """Plan one home whose meter begins empty, on a serial bus or on a modem of its own."""
    return town.Home(
        supply_point=f"{place:05d}",
        name=f"Party {place}",
        meter_no=f"{place + 1:012d}",
        model=town.STANDARD if bus is None else town.VENDOR,
        way=Way(
            endpoint_id=bus or f"86{place:013d}",
            road=RoadKind.MOBILE_4G if bus is None else RoadKind.RS485,
        ),
        bearer=Bearer.DIAL_IN if bus is None else Bearer.SERIAL,
        in_story=False,
        power_w=0,
        opening_minor=0,
        pay_token=uuid4(),
    )


def open_door(stand: Stand) -> None:
    """Start the door as `compuerta up` does, and wait until it serves."""
    stand.crew.start_role("door")
    deadline_s = time.monotonic() + READY_S_MAX
    while time.monotonic() < deadline_s:
        stand.crew.require("door")
        with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{stand.ports['door']}/healthz"):
            return
        time.sleep(0.1)
    raise TimeoutError("the door does not serve")


def place_orders(url: str, *, prefix: str, account_ids: Sequence[int]) -> list[str]:
    """Write one open attempt per entry of `account_ids`; returns their references."""
    references = [f"{prefix}{number:08d}" for number in range(len(account_ids))]
    attempt_ids: list[UUID] = [uuid4() for _ in references]
    with psycopg.connect(url) as connection:
        connection.execute(
            """with wanted as (
                select * from unnest(%s::bigint[], %s::uuid[], %s::text[])
                as w (account_id, attempt_id, reference)
            ), ordered as (
                insert into payment_reference (provider, kind, reference, account_id, row_id)
                select 'wechat', 'order', reference, account_id, attempt_id from wanted
            )
            insert into attempt (account_id, attempt_id, provider, reference, amount_minor, currency,
                description, created_at, expires_at, state)
            select account_id, attempt_id, 'wechat', reference, %s, 'CNY', 'electricity',
                now(), now() + interval '2 hours', 'presented'
            from wanted""",
            [list(account_ids), attempt_ids, references, AMOUNT_MINOR],
        )
    return references


def signed_notice(keys: ProviderKeys, reference: str, *, now: datetime, chance: bytes) -> HttpRequest:
    """Write the genuine notice that an order was paid, as the provider sends it."""
    transaction = bodies.Transaction(
        appid=APPID,
        mchid=MCHID,
        out_trade_no=reference,
        state=bodies.TradeState.SUCCESS,
        total_fen=AMOUNT_MINOR,
        currency="CNY",
        payer_total_fen=AMOUNT_MINOR,
        transaction_id=f"42{reference}",
        success_at=now,
        payer="oSimulatedPayer",
    )
    sealed = resource.seal(
        bodies.build_transaction(transaction),
        key=keys.api_key,
        nonce=chance[:6].hex(),
        original_type="transaction",
    )
    body = bodies.build_envelope(
        bodies.Envelope(
            notice_id=chance.hex(), event_type="TRANSACTION.SUCCESS", created_at=now, resource=sealed
        )
    )
    headers = signature.signed_headers(
        serial=keys.public_key_id,
        stamp=signature.stamp(now=now, chance=chance),
        body=body,
        signer=keys.signers[keys.public_key_id],
    )
    return HttpRequest(method="POST", path="/notices/wechat", headers=headers, body=body)


def on_the_wire(request: HttpRequest) -> bytes:
    """Write a request as HTTP/1.1 bytes."""
    head = [f"{request.method} {request.path} HTTP/1.1", "host: 127.0.0.1", "content-type: application/json"]
    head += [f"{name}: {value}" for name, value in request.headers.items()]
    head += [f"content-length: {len(request.body)}", "", ""]
    return "\r\n".join(head).encode() + request.body


def percentile(values: Sequence[float], rank: int) -> float:
    """Return the value below which `rank` per cent of the values lie."""
    return sorted(values)[min(len(values) - 1, len(values) * rank // 100)]


def told(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _write_provider(keys: KeySet, *, directory: Path, door_port: int) -> None:
    (directory / "merchant.pem").write_bytes(keys.merchant_key_pem)
    (directory / "api_v3.key").write_bytes(keys.api_key)
    names = {}
    for number, (serial, pem) in enumerate(keys.platform_pems.items()):
        names[serial] = f"platform-{number}.pem"
        (directory / names[serial]).write_bytes(pem)
    wechat = {
        "name": "wechat",
        "kind": "wechat",
        "mchid": MCHID,
        "appid": APPID,
        "merchant_key": "merchant.pem",
        "merchant_serial": keys.merchant_serial,
        "api_key": "api_v3.key",
        "platform_keys": names,
        "base_url": "http://127.0.0.1:1",  # nothing here asks the provider
        "notify_url": f"http://127.0.0.1:{door_port}/notices/wechat",
    }
    (directory / wiring.PROVIDERS_FILE).write_text(dumps([wechat]), encoding="utf-8")


def _free_ports(*names: str) -> dict[str, int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in names]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in zip(names, sockets, strict=True)}

"""The stage: everything of the house on one machine, with virtual meters and simulated providers.

The demonstration plays on it, and so do the tests that kill processes: the same programs as in earnest, each
in a process of its own, over real sockets, real pseudo-terminals and a real PostgreSQL.
"""

import contextlib
import fcntl
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import httpx

from compuerta.adapters.postgres.server import EmbeddedServer, default_data_dir
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import town, wiring
from compuerta.apps.api.keys import make_key
from compuerta.apps.channels import CHANNELS_FILE, receipts_url_of
from compuerta.apps.config import Settings, settings
from compuerta.apps.crew import Crew
from compuerta.apps.roadside import Roadside, fleet_config
from compuerta.apps.up import ROLES, migrated
from compuerta.domain.access import Role
from compuerta.domain.contact import Language
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.party import Bearer
from compuerta.domain.payment import reference_of
from compuerta.domain.wording import Told
from compuerta.services.promises import ProviderFact
from compuerta.services.road_keys import named_key
from compuerta.virtual.alipay import opening as alipay
from compuerta.virtual.mpesa import opening as mpesa
from compuerta.virtual.providers.worlds import Button
from compuerta.virtual.stripe import opening as stripe
from compuerta.virtual.wechat import opening as wechat

# More demonstrations at once than anybody's machine bears.
STAGES_MAX = 9
READY_S_MAX = 60.0
STEP_S = 0.05
ORDER_S_MAX = 10.0
# The world's time runs this much faster, so that a balance falls while one looks.
FACTOR = 100
PASSWORD_BYTES = 9
# Who signs in, and what they may; what one drafts, such as a tariff, another approves.
PERSONS = {
    "admin": Role.MANAGER,
    "owner": Role.OWNER,
    "cashier": Role.CASHIER,
    "accountant": Role.ACCOUNTANT,
    "technician": Role.TECHNICIAN,
    "auditor": Role.AUDITOR,
}
CARRIERS_KEY = "virtual-carriers-key"  # of accounts at carriers that exist on this machine only
MARKER = "compuerta-stage"
WINDOW_S = 8  # for so long a sleeper can be reached after it spoke; real networks give 2 to 20 seconds
# How we come to have an account at each simulated provider.
MERCHANTS: Mapping[str, Callable[..., dict[str, object]]] = {
    "wechat": wechat.merchant_entry,
    "alipay": alipay.merchant_entry,
    "stripe": stripe.merchant_entry,
    "mpesa": mpesa.merchant_entry,
}
# Below those that systems give to callers: who dials a port of that kind while nobody listens may be given
# the very same port, is then connected to itself, and keeps the listener out when it comes back.
PORTS = range(20_000, 30_000)
PORT_TRIES_MAX = 50


class StageTaken(Refused):
    """All places for demonstrations on this machine are in use."""

    def __init__(self, base: Path) -> None:
        super().__init__(f"{STAGES_MAX} demonstrations run below {base} already; end one of them")


class NotInTime(Unreachable):
    """Something that the stage waits for did not happen."""

    def __init__(self, what: str, waited_s: float) -> None:
        super().__init__(f"waited {waited_s:.0f} s for {what}")
        self.what = what


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the processes of a stage listen."""

    door: int
    road: int
    provider: int
    carriers: int
    mail: int
    mqtt: int
    coap: int


class Stage:
    """This will build a town in a fresh directory, run everything, and take it down again."""

    def __init__(self, *, homes: tuple[town.Home, ...], public: bool, fast_test: bool = False) -> None:
        self._lock, self.directory = _claimed(default_data_dir().parent / "demo")
        self.ports = _ports(public=public)
        self.server = EmbeddedServer(self.directory / "postgres", fast_test=fast_test)
        self.homes = homes
        self.public = public  # people will come and look
        self.url = ""
        self.api_key = ""
        self.password = os.urandom(PASSWORD_BYTES).hex()
        self.crew = Crew(logs=self.directory / "logs", environment={})
        self.client = httpx.Client(timeout=ORDER_S_MAX)
        self.town = town.Town(organisation_id=0, homes=())
        self.refunded_by_hand: set[str] = set()  # orders that somebody refunded at a provider, past us
        self.handed: list[ProviderFact] = []  # money that somebody has in hand for the house
        self.cash_taken: dict[str, int] = {}  # what lies in the till, by the order's reference

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.crew.end()
        self.client.close()
        self.server.stop()
        self._lock.close()

    @property
    def settings(self) -> Settings:
        """The settings that the stage's processes run with."""
        return settings(self.environment())

    @property
    def console_url(self) -> str:
        """Where the console is."""
        return f"http://127.0.0.1:{self.ports.door}"

    @property
    def provider_url(self) -> str:
        """Where the simulated providers are, and at /pay/ their page for the payer."""
        return f"http://127.0.0.1:{self.ports.provider}"

    @property
    def provider_keys(self) -> Path:
        """Where the simulated providers' keys are."""
        return self.directory / "providers"

    @property
    def carriers_url(self) -> str:
        """Where the simulated carriers of words are, and at /sim/received what they took."""
        return f"http://127.0.0.1:{self.ports.carriers}"

    def environment(self) -> dict[str, str]:
        """What the stage's processes find in their environment."""
        return {
            "COMPUERTA_DATA": str(self.directory),
            "DATABASE_URL": self.url,
            "COMPUERTA_HOST": "127.0.0.1",
            "COMPUERTA_PORT": str(self.ports.door),
            "COMPUERTA_ROAD_PORT": str(self.ports.road),
            "COMPUERTA_MQTT_URL": f"mqtt://platform:{self.password}@127.0.0.1:{self.ports.mqtt}",
            "COMPUERTA_COAP_PORT": str(self.ports.coap),
            "COMPUERTA_COAP_WINDOW_S": str(WINDOW_S),
            "COMPUERTA_POLL_S": "1",
            "COMPUERTA_PASSWORD": self.password,
            "COMPUERTA_VIRTUAL_METERS": str(self._control),
        }

    def open(self, told: Callable[[str], None]) -> None:
        """Start everything; `told` hears what is being done."""
        paths = self.open_books(told, now=wiring.now())
        organisation = self.town.organisation_id
        self.api_key = make_key(self.url, name="stage", organisation_id=organisation, scopes=["sell", "cash"])
        told("starting meters, provider, carriers, door, gateway and worker")
        self._start_meters(paths)
        self._start_provider()
        self._start_carriers()
        self._let_in(ROLES)

    def open_door(self) -> None:
        """Let people look at the books of a town whose meters and gateways do not run."""
        self._let_in(("door",))

    def _let_in(self, roles: Sequence[str]) -> None:
        joining = {name: self._joining(name, role) for name, role in PERSONS.items() if self.public}
        for role in roles:
            self.crew.start_role(role)
        self.wait_for("the door", self._is_serving)
        for name, person in joining.items():
            if person.wait(READY_S_MAX) != 0:
                raise NotInTime(f"{name} to be added", READY_S_MAX)

    def open_books(self, told: Callable[[str], None], *, now: datetime) -> dict[str, str]:
        """Start the database and build the town, as of an instant; returns the devices of its buses."""
        told("starting the database")
        self.url = self.server.start()
        self.crew.environment = self.environment()
        self._write_providers()
        self._write_channels()
        told("building the town")
        migrated(self.environment())
        store = PostgresStore(self.url)
        paths = {name: str(self.directory / name) for name in town.BUSES}
        self.town = town.build(store, self.homes, bus_paths=paths, now=now)
        store.shut()
        return paths

    # what people and meters do -------------------------------------------------------------------------

    def order(self, order: dict[str, object]) -> dict[str, Any]:
        """Give the virtual meters an order, and return their answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            wire.settimeout(ORDER_S_MAX)
            wire.connect(str(self._control))
            wire.sendall(json.dumps(order).encode() + b"\n")
            with wire.makefile("rb") as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
        if not answer.get("ok"):
            raise NotInTime(f"order {order}: {answer.get('reason')}", 0)
        return answer

    def meter(self, meter_no: str) -> dict[str, Any]:
        """Return what is true of a virtual meter now."""
        state: dict[str, Any] = self.order({"order": "dump", "meter_no": meter_no})["meters"][0]
        return state

    def meters(self) -> list[dict[str, Any]]:
        """Return what is true of all virtual meters now."""
        states: list[dict[str, Any]] = self.order({"order": "dump"})["meters"]
        return states

    def recharge(
        self, home: town.Home, *, attempt_id: str, provider: str, amount_minor: int
    ) -> dict[str, Any]:
        """Order a recharge through the machines' door; safe to do again with the same attempt id."""
        if provider == "till":
            # The tenant has put the money on the counter, whatever becomes of the order.
            self.cash_taken[reference_of(UUID(attempt_id))] = amount_minor
        answer = self.client.post(
            f"{self.console_url}/api/v1/accounts/{home.account_id}/recharges",
            json={"attempt_id": attempt_id, "provider": provider, "amount_minor": amount_minor},
            headers=self._signed_in(),
        )
        answer.raise_for_status()
        row: dict[str, Any] = answer.json()
        return row

    def pay(self, reference: str, *, provider: str = "wechat") -> None:
        """Be the payer: scan an order at a simulated provider, and pay it."""
        with contextlib.suppress(httpx.HTTPStatusError):  # who has no scanning pays at once
            self.press(Button.SCAN, reference, provider=provider)
        self.press(Button.PAY, reference, provider=provider)

    def press(self, button: Button, reference: str, *, provider: str, amount_minor: int = 0) -> None:
        """Do at a simulated provider what a payer, a shopkeeper, a bank or a tester can do with an order."""
        world, _ = town.PROVIDERS[provider]
        if button is Button.REFUND:
            self.refunded_by_hand.add(reference)
        self.client.post(
            f"{self.provider_url}/sim/{world}/{button.value}",
            json={"reference": reference, "amount_minor": amount_minor},
        ).raise_for_status()

    def behave(self, provider: str, **wishes: object) -> None:
        """Let a simulated provider have a bad day, or a good one again."""
        world, _ = town.PROVIDERS[provider]
        self.client.post(f"{self.provider_url}/sim/{world}/behaviour", json=wishes).raise_for_status()

    def provider_facts(self, provider: str) -> list[dict[str, Any]]:
        """Return all money that a simulated provider has or had."""
        world, _ = town.PROVIDERS[provider]
        answer = self.client.get(f"{self.provider_url}/sim/{world}/facts")
        answer.raise_for_status()
        facts: list[dict[str, Any]] = answer.json()["facts"]
        return facts

    def letters(self) -> list[dict[str, Any]]:
        """Return all letters that the simulated carriers have taken."""
        answer = self.client.get(f"{self.carriers_url}/sim/received")
        answer.raise_for_status()
        received: list[dict[str, Any]] = answer.json()["received"]
        return received

    def recharge_facts(self, attempt_id: str) -> dict[str, Any]:
        """Read a recharge with its four instants through the machines' door."""
        answer = self.client.get(
            f"{self.console_url}/api/v1/recharges/{attempt_id}", headers=self._signed_in()
        )
        answer.raise_for_status()
        row: dict[str, Any] = answer.json()
        return row

    def tend(self) -> None:
        """Start again what has died: processes of the crew, and the database."""
        self.crew.tend()
        if not self.server.is_answering():
            self.server.start()

    def wait_for(
        self, what: str, is_so: Callable[[], bool], *, within: timedelta = timedelta(seconds=READY_S_MAX)
    ) -> float:
        """Wait until something is so, tending the crew; returns the seconds; raises `NotInTime`."""
        began_s = time.monotonic()
        while not is_so():
            waited_s = time.monotonic() - began_s
            if waited_s > within.total_seconds():
                raise NotInTime(what, waited_s)
            self.tend()
            time.sleep(STEP_S)
        return time.monotonic() - began_s

    # inside --------------------------------------------------------------------------------------------

    @property
    def _control(self) -> Path:
        return self.directory / "meters.sock"

    def _signed_in(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.api_key}"}

    def _is_serving(self) -> bool:
        for name in self.crew.members.keys() - set(ROLES):  # which nobody starts again
            self.crew.require(name)
        with contextlib.suppress(httpx.HTTPError):
            return self.client.get(f"{self.console_url}/healthz").status_code == 200
        return False

    def _start_meters(self, paths: dict[str, str]) -> None:
        config = fleet_config(
            self.town,
            esam_key=self.settings.secret("esam"),
            control=str(self._control),
            roadside=self._roadside(paths),
            factor=FACTOR,
        )
        file = self.directory / "meters.json"
        file.write_text(json.dumps(config), encoding="utf-8")
        self.crew.start("meters", sys.executable, "-m", "compuerta.virtual.fleet", "--config", str(file))
        self.wait_for("the virtual meters", lambda: all(Path(path).is_symlink() for path in paths.values()))

    def _roadside(self, paths: dict[str, str]) -> Roadside:
        secret = self.settings.secret("roads")
        shown = [home.endpoint_id for home in self.homes if home.bearer is Bearer.MQTT]
        shown += [home.nb_module for home in self.homes if home.nb_module is not None]
        return Roadside(
            road_port=self.ports.road,
            bus_paths=paths,
            mqtt_port=self.ports.mqtt,
            mqtt_password=self.password,
            coap_port=self.ports.coap,
            window_s=WINDOW_S,
            keys={name: named_key(name, generation=1, secret=secret).hex() for name in shown},
        )

    def _start_provider(self) -> None:
        self.crew.start(
            "provider", sys.executable, "-m", "compuerta.virtual.providers",
            "--keys", str(self.provider_keys), "--port", str(self.ports.provider), "--speedup", "5",
        )  # fmt: skip

    def _start_carriers(self) -> None:
        self.crew.start(
            "carriers", sys.executable, "-m", "compuerta.virtual.notices",
            "--port", str(self.ports.carriers), "--smtp-port", str(self.ports.mail),
            "--key", CARRIERS_KEY, "--receipts", receipts_url_of(self.settings, "texts"),
        )  # fmt: skip

    def _write_channels(self) -> None:
        (self.directory / "carriers.key").write_text(CARRIERS_KEY, encoding="ascii")
        approved = {told.value: {each.value: f"SMS_{told.value}" for each in Language} for told in Told}
        mail = {
            "name": "mail",
            "kind": "smtp",
            "host": "127.0.0.1",
            "port": self.ports.mail,
            "security": "none",
            "sender": "La Compuerta <no-reply@example.org>",
        }
        texts = {
            "name": "texts",
            "kind": "aliyun_sms",
            "key_id": "LTAI0000000000000001",
            "secret": "carriers.key",
            "sign_name": "Compuerta",
            "templates": approved,
            "base_url": f"{self.carriers_url}/aliyun",
        }
        app = {"name": "app", "kind": "webhook", "url": f"{self.carriers_url}/app", "key": "carriers.key"}
        (self.directory / CHANNELS_FILE).write_text(json.dumps([mail, texts, app]), encoding="utf-8")

    def _write_providers(self) -> None:
        entries: list[dict[str, object]] = [
            {"name": "till", "kind": "till", "live": False, "currencies": list(town.SITES)},
            {
                "name": "kiosk",
                "kind": "biller",
                "live": False,
                "currencies": [town.CURRENCY],
                "reverse_within_min": 60,
            },
        ]
        for name, (world, _) in town.PROVIDERS.items():
            if world in MERCHANTS:
                entry = MERCHANTS[world](
                    self.provider_keys / world,
                    name=name,
                    base_url=f"{self.provider_url}/{world}",
                    notify_url=f"{self.console_url}/notices/{name}",
                    now=wiring.now(),
                )
                entries.append(entry)
        (self.directory / wiring.PROVIDERS_FILE).write_text(json.dumps(entries), encoding="utf-8")

    def _joining(self, name: str, role: Role) -> subprocess.Popen[bytes]:
        """Begin to add a person; each in a process of its own, since Django reads its settings only once."""
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "compuerta.apps.cli", "person", name, "--role", role.value),
                *("--organisation", str(self.town.organisation_id), "--language", "en"),
            ],
            env={**os.environ, **self.environment()},
            stdout=subprocess.DEVNULL,
        )


def _claimed(base: Path) -> tuple[Any, Path]:
    """Claim a directory that no running demonstration has, and empty it."""
    base.mkdir(parents=True, exist_ok=True)
    for number in range(1, STAGES_MAX + 1):
        lock = (base / f"{number}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        directory = base / str(number)
        _clear(directory)
        return lock, directory
    raise StageTaken(base)


def _clear(directory: Path) -> None:
    """Empty a directory that a former stage left, with its database server; nothing else is touched."""
    if (directory / MARKER).exists():
        with contextlib.suppress(Refused):
            EmbeddedServer(directory / "postgres").stop()
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MARKER).touch()


def _ports(*, public: bool) -> Ports:
    door, road, provider, carriers, mail, mqtt, coap = free_ports(
        *((8000, 7645, 8701, 8702, 8725, 8883, 5684) if public else (0,) * 7)
    )
    return Ports(door=door, road=road, provider=provider, carriers=carriers, mail=mail, mqtt=mqtt, coap=coap)


def free_ports(*wishes: int) -> list[int]:
    """Return ports that nobody has now: the wished ones or, where one is taken or 0, any."""
    held = [_bound(wish) for wish in wishes]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def _bound(wish: int) -> socket.socket:
    """Hold a port: the wanted one or, where it is taken or 0, any."""
    # By the system's chance: tests that run side by side seed the other one alike, and choose alike.
    for port in (*([wish] if wish else []), *random.SystemRandom().sample(PORTS, k=PORT_TRIES_MAX)):
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", port))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                datagrams.bind(("127.0.0.1", port))  # CoAP's are no connections
        except OSError:
            held.close()
            continue
        return held
    raise NotInTime("a free port", 0)

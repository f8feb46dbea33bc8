"""The port that outposts connect to: their lines are roads of this gateway, their journals become rows."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

import structlog

from compuerta.adapters.links import outpost_certificate, outpost_text
from compuerta.adapters.links.outpost_server import Guest, OutpostServer
from compuerta.adapters.links.outpost_text import TextMalformed
from compuerta.adapters.links.roadhead import Keeper, Stranger
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import poison, wiring
from compuerta.apps.config import Settings
from compuerta.apps.desk import Desk
from compuerta.domain.errors import Unreachable
from compuerta.domain.party import Bearer
from compuerta.services import forwarding, mandating, outposts, road_keys
from compuerta.services.forwarding import Record
from compuerta.services.mandating import Orders
from compuerta.services.outpost_port import Outpost
from compuerta.services.records import Endpoint
from compuerta.services.store_port import Store

log = structlog.get_logger()

CERTIFICATE_FILE: Final = "outposts.pem"
# An outpost that was entered is let in this soon, and one whose key was taken away is sent off.
LEARN_S: Final = 5.0
# What happened in the last minute before a line was cut, the outpost does not know.
MANDATE_S: Final = 60.0
MANDATES_AGE_S_MAX: Final = 600.0  # orders that say nothing new are sent so often, so that they do not age
ROADS_SECRET: Final = "roads"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ordered:
    """What an outpost was told last, when that was, and when it was last reckoned anew."""

    digest: bytes
    made_s: float
    sent_s: float


class OutpostHead:
    """This will listen for outposts; see `Roadhead`."""

    bearers = frozenset({Bearer.OUTPOST})

    def __init__(self, keeper: Keeper, *, given: Settings) -> None:
        self._keeper = keeper
        self._given = given
        self._desk = Desk(wiring.database_url(given))
        self._secret = given.secret(ROADS_SECRET)
        self._lines: Mapping[str, Mapping[int, Endpoint]] = {}
        self._outposts: Mapping[str, Outpost] = {}
        self._ordered: dict[Guest, _Ordered] = {}
        self._keeping: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        pem = given.kept(CERTIFICATE_FILE, make=lambda: outpost_certificate.made(now=wiring.now()))
        certificate = outpost_certificate.certificate_of(pem.read_bytes())
        self._server = OutpostServer(
            self,
            certificate=outpost_certificate.der_of(certificate),
            context=outpost_certificate.serving(pem),
        )

    async def open(self) -> None:
        """See `Roadhead`; raises `PortNotListened`."""
        self._outposts = await self._desk.run(_outposts)
        port = await self._server.open(host=self._given.road_host, port=self._given.outpost_port)
        log.info("gateway.outposts.opened", port=port)

    async def run(self) -> None:
        """See `Roadhead`: keep who may come in, and what they may do, as the rows say."""
        while True:
            try:
                async with asyncio.timeout(LEARN_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            try:
                await self._learn_outposts()
                await self._order_all()
            except Unreachable as error:
                log.warning("gateway.database.away", error=str(error))
                await asyncio.sleep(LEARN_S)

    async def shut(self) -> None:
        """See `Roadhead`."""
        await self._server.shut()
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await self._desk.shut()

    def learn(self, ends: Sequence[Endpoint]) -> None:
        """See `Roadhead`."""
        self._lines = mandating.lines_of(ends)

    def strangers(self) -> list[Stranger]:
        """See `Roadhead`."""
        return self._server.strangers()

    # the server's host ---------------------------------------------------------------------------------

    def key_of(self, outpost_id: str) -> bytes | None:
        """See `Host`."""
        outpost = self._outposts.get(outpost_id)
        if outpost is None:
            return None
        return road_keys.named_key(outpost_id, generation=outpost.key_generation, secret=self._secret)

    def came(self, guest: Guest) -> None:
        """See `Host`."""
        log.info("gateway.outpost.came", outpost=guest.outpost_id)
        self._news.set()

    def told(self, guest: Guest, records: bytes) -> None:
        """See `Host`: an outpost sends its next records when these are acknowledged."""
        task = asyncio.create_task(self._keep(guest, records))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    def offered(self, guest: Guest, line: int) -> bool:
        """See `Host`."""
        end = self._lines.get(guest.outpost_id, {}).get(line)
        outpost = self._outposts.get(guest.outpost_id)
        if end is None or outpost is None or not outposts.is_line_of(end, outpost):
            return False
        self._keeper.opened(end.endpoint_id, guest.link(line))
        return True

    def left(self, guest: Guest) -> None:
        """See `Host`."""
        self._ordered.pop(guest, None)
        log.info("gateway.outpost.left", outpost=guest.outpost_id)

    # rows ----------------------------------------------------------------------------------------------

    async def _learn_outposts(self) -> None:
        self._outposts = await self._desk.run(_outposts)
        for guest in self._server.guests():
            if self.key_of(guest.outpost_id) != guest.key:
                log.warning("gateway.outpost.revoked", outpost=guest.outpost_id)
                guest.send_off("key_revoked")

    async def _order_all(self) -> None:
        now_s = asyncio.get_running_loop().time()
        due = [each for each in self._server.guests() if self._is_due(each, now_s)]
        if not due:
            return
        wanted = {each.outpost_id: self._lines.get(each.outpost_id, {}) for each in due}
        made = await self._desk.run(
            partial(mandating.orders, wanted=wanted, poll_ms=self._given.poll_s * 1_000, now=wiring.now())
        )
        for guest in due:
            if guest.outpost_id in made:
                self._order(guest, made[guest.outpost_id], now_s)

    def _is_due(self, guest: Guest, now_s: float) -> bool:
        before = self._ordered.get(guest)
        return before is None or now_s - before.made_s >= MANDATE_S

    def _order(self, guest: Guest, orders: Orders, now_s: float) -> None:
        digest, before = _digest(orders), self._ordered.get(guest)
        is_news = before is None or before.digest != digest or now_s - before.sent_s >= MANDATES_AGE_S_MAX
        if is_news:
            guest.order(outpost_text.orders_text(orders))
        sent_s = now_s if is_news or before is None else before.sent_s
        self._ordered[guest] = _Ordered(digest=digest, made_s=now_s, sent_s=sent_s)

    async def _keep(self, guest: Guest, text: bytes) -> None:
        try:
            journal_id, records = outpost_text.records_from(text)
        except TextMalformed as error:
            log.error("gateway.outpost.records_malformed", outpost=guest.outpost_id, error=str(error))
            guest.send_off("talks_nonsense")
            return

        def take(store: Store, *, items: Sequence[Record]) -> None:
            forwarding.take_records(
                store, outpost_id=guest.outpost_id, journal_id=journal_id, records=items, now=wiring.now()
            )

        try:
            # An outpost lends its lines when all is taken: a record that breaks must not keep them for ever.
            await poison.each_alone(self._desk, take, records, what=f"a record of outpost {guest.outpost_id}")
        except Unreachable as error:
            # It connects again, and sends them again.
            log.warning("gateway.database.away", error=str(error))
            guest.send_off("database_away")
        else:
            guest.keep(max((each.record_no for each in records), default=0))


def _outposts(store: PostgresStore) -> Mapping[str, Outpost]:
    with store.transaction() as tx:
        return tx.outposts.outposts()


def _digest(orders: Orders) -> bytes:
    """Tell orders apart by what they say, whenever they were issued."""
    return sha256(
        outpost_text.orders_text(orders).replace(orders.issued_at.isoformat().encode(), b"")
    ).digest()

"""The client: each call says what it wants, once, however often it has to ask.

Whatever is ordered carries a key of the caller's: keep it before you call, and after a crash call again with
the same one. No answer, and an answer that says nothing, are asked again within bounds; then it is `Unknown`.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from typing import Any, Self

import anyio
import httpx

from compuerta_client import shapes
from compuerta_client.errors import Refused, Unknown
from compuerta_client.shapes import Collected, Day, Order, Payable, Quote, Way

TIMEOUT_S = 20.0  # a provider may take five seconds to answer; a database that is busy, some more
WAITS_S = (0.5, 1.0, 2.0, 4.0)  # between tries, so one more try than these
FOLLOW_AGAIN_MAX = 100  # a stream ends every ten minutes and is opened again
_ENDS = frozenset({"power", "suspended", "failed"})
_AGAIN = frozenset({409, 429})  # under way, or too fast: not done, and to be asked again
Wait = Callable[[float], Awaitable[None]]


class Compuerta:
    """This will speak to one Compuerta under one key."""

    def __init__(
        self,
        address: str,
        key: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        wait: Wait = anyio.sleep,
    ) -> None:
        self._wait = wait
        self._client = httpx.AsyncClient(
            base_url=f"{address.rstrip('/')}/api/v1",
            headers={"authorization": f"Bearer {key}"},
            timeout=TIMEOUT_S,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    # for apps
    async def ways_to_pay(self) -> list[Way]:
        """List the ways to pay."""
        found = await self._ask("GET", "/ways-to-pay")
        return [Way(**each) for each in found]

    async def look_up(self, meter_no: str) -> Payable:
        """Look a meter up before paying for it."""
        return shapes.payable(await self._ask("GET", f"/meters/{meter_no}/payable"))

    async def quote(self, meter_no: str, amount_minor: int) -> Quote:
        """Quote a recharge, line by line."""
        return shapes.quote(await self._ask("GET", f"/meters/{meter_no}/quote?amount_minor={amount_minor}"))

    async def order(
        self,
        meter_no: str,
        *,
        amount_minor: int,
        provider: str,
        key: str,
        flow: str = "qr",
        payer: str = "",
        reference: str = "",
    ) -> Order:
        """Order a recharge; `key` makes it once. Its state may be "unknown": ask again with the key."""
        wish = {
            "meter_no": meter_no,
            "amount_minor": amount_minor,
            "provider": provider,
            "flow": flow,
            "payer": payer,
            "reference": reference,
        }
        return shapes.order(await self._ask("POST", "/orders", wish=wish, key=key))

    async def try_again(
        self, order_id: str, *, provider: str, key: str, flow: str = "qr", payer: str = ""
    ) -> Order:
        """Pay an order in another way."""
        wish = {"provider": provider, "flow": flow, "payer": payer}
        return shapes.order(await self._ask("POST", f"/orders/{order_id}/attempts", wish=wish, key=key))

    async def cancel(self, attempt_id: str, *, key: str) -> Order:
        """Make an attempt unpayable; where the payer was faster, the order is paid, and says so."""
        return shapes.order(await self._ask("POST", f"/attempts/{attempt_id}/cancel", key=key))

    async def read(self, order_id: str) -> Order:
        """Read how an order stands."""
        return shapes.order(await self._ask("GET", f"/orders/{order_id}"))

    async def receipt(self, order_id: str) -> str:
        """Return the path of a paid order's receipt, below the address of this Compuerta."""
        found = await self._ask("POST", f"/orders/{order_id}/receipt")
        return str(found["path"])

    async def follow(self, order_id: str) -> AsyncIterator[Order]:
        """Yield an order each time that it stands otherwise, until there is power or it is over."""
        seen = ""
        for _ in range(FOLLOW_AGAIN_MAX):
            try:
                async for mark, told in self._events(order_id, seen):
                    seen = mark
                    yield told
                    if told.state in _ENDS:
                        return
            except httpx.TransportError:
                await self._wait(WAITS_S[0])
        raise Unknown("the stream ended too often")

    # for billers
    async def validate(self, meter_no: str) -> Payable:
        """Look a meter up before taking money for it."""
        return shapes.payable(await self._ask("GET", f"/billers/meters/{meter_no}"))

    async def pay(self, meter_no: str, *, amount_minor: int, currency: str, reference: str) -> Collected:
        """Pay for a meter; the reference makes it once, for ever."""
        wish = {
            "meter_no": meter_no,
            "amount_minor": amount_minor,
            "currency": currency,
            "reference": reference,
        }
        return shapes.collected(await self._ask("POST", "/billers/payments", wish=wish))

    async def payment(self, reference: str) -> Collected | None:
        """Tell how a payment stands; None = never heard of, so nothing was done."""
        try:
            return shapes.collected(await self._ask("GET", f"/billers/payments/{reference}"))
        except Refused as refused:
            if refused.status == httpx.codes.NOT_FOUND:
                return None
            raise

    async def reverse(self, reference: str, *, why: str) -> Collected:
        """Take a payment back; raises `Refused` where it stands, and says why."""
        path = f"/billers/payments/{reference}/reverse"
        return shapes.collected(await self._ask("POST", path, wish={"why": why}))

    async def day(self, day: date) -> Day:
        """Tell what is owed for a day."""
        return shapes.day(await self._ask("GET", f"/billers/days/{day.isoformat()}"))

    async def _ask(self, method: str, path: str, *, wish: object = None, key: str | None = None) -> Any:
        """Ask until there is an answer, within bounds; asking twice does nothing twice."""
        headers = {} if key is None else {"idempotency-key": key}
        content = None if wish is None else json.dumps(wish).encode()
        if content is not None:
            headers["content-type"] = "application/json"
        reason = ""
        for wait_s in (*WAITS_S, None):
            try:
                answer = await self._client.request(method, path, headers=headers, content=content)
            except httpx.TransportError as error:
                reason = type(error).__name__
            else:
                if answer.is_success:
                    return answer.json()
                reason = _detail(answer)
                if answer.status_code < 500 and answer.status_code not in _AGAIN:
                    raise Refused(answer.status_code, reason)
            if wait_s is not None:
                await self._wait(wait_s)
        raise Unknown(reason)

    async def _events(self, order_id: str, seen: str) -> AsyncIterator[tuple[str, Order]]:
        headers = {"last-event-id": seen} if seen else {}
        path = f"/orders/{order_id}/events"
        async with self._client.stream("GET", path, headers=headers) as answer:
            if answer.status_code >= 500:
                raise httpx.ReadError(f"HTTP {answer.status_code}")
            if answer.is_error:
                await answer.aread()
                raise Refused(answer.status_code, _detail(answer))
            mark = ""
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    mark = value
                elif name == "data":
                    yield mark, shapes.order(json.loads(value))


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"

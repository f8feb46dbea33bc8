"""Bills of WeChat Pay: fetched in two steps, kept packed, and checked against the hash of what is inside."""

import hashlib
import zlib
from collections.abc import Generator, Iterator
from datetime import date, datetime
from urllib.parse import urlsplit

from compuerta.adapters.payments.wechat_account import AnswerUnusable, OrderRefused, WechatAccount
from compuerta.domain.errors import Refused
from compuerta.services.payment_ports import (
    Chance,
    HttpRequest,
    HttpResponse,
    NotReady,
    StatementFaulty,
    StatementKind,
)
from compuerta.wire.wechat import bills
from compuerta.wire.wechat.bills import BillGrant
from compuerta.wire.wechat.fields import BodyMalformed

PACKED_BYTES_MAX = 256 * 1024 * 1024  # four million lines are about 160 MiB
BILL_BYTES_MAX = 1024 * 1024 * 1024  # and 1 GiB unpacked; more is nobody's day
_PIECE_BYTES = 64 * 1024
_CHUNK_BYTES = 1024 * 1024
# The first two words are of API v3, the others of v2, which some merchants are still answered with.
_NO_BILL = frozenset({"NO_STATEMENT_EXIST", "NO_BILL_EXIST"})
_CREATING = frozenset({"STATEMENT_CREATING", "BILL_CREATING"})


class BillUnpackable(Refused):
    """A packed bill that is broken, cut short, or larger than any day's."""


def statement(
    day: date, kind: StatementKind, *, account: WechatAccount, now: datetime, chance: Chance
) -> Generator[HttpRequest, HttpResponse, bytes]:
    """Fetch the bill of a day in Beijing, packed as it came; a day without any movement is b""."""
    asked = yield account.get(_path(day, kind), now=now, chance=chance)
    try:
        grant = bills.parse_grant(account.believed(asked, now=now).body)
    except OrderRefused as refused:
        if refused.refusal.code in _NO_BILL:
            return b""
        if refused.refusal.code in _CREATING:
            raise NotReady(refused.refusal.code) from refused
        raise
    except BodyMalformed as malformed:
        raise AnswerUnusable(str(malformed)) from malformed
    # The address lives for half a minute, so it is fetched at once; the file itself is not signed.
    answer = account.good((yield _download(grant, account=account, now=now, chance=chance)))
    _check_hash(answer.body, grant)
    return answer.body


def unpacked(bill: bytes) -> Iterator[bytes]:
    """Unpack a bill in pieces of bounded size, one that is not packed too; raises `BillUnpackable`."""
    if not bill.startswith(b"\x1f\x8b"):
        yield from (bill[start : start + _CHUNK_BYTES] for start in range(0, len(bill), _CHUNK_BYTES))
        return
    unpack, bill_bytes = zlib.decompressobj(wbits=31), 0
    for start in range(0, len(bill), _PIECE_BYTES):
        piece = bill[start : start + _PIECE_BYTES]
        while piece:
            try:
                chunk = unpack.decompress(piece, _CHUNK_BYTES)
            except zlib.error as error:
                raise BillUnpackable("cannot be unpacked") from error
            bill_bytes += len(chunk)
            if bill_bytes > BILL_BYTES_MAX:
                raise BillUnpackable(f"is more than {BILL_BYTES_MAX} bytes")
            yield chunk
            piece = unpack.unconsumed_tail
    if not unpack.eof or unpack.unused_data:
        raise BillUnpackable("does not end where its packing says")


def _path(day: date, kind: StatementKind) -> str:
    if kind is StatementKind.TRADE:
        return f"/v3/bill/tradebill?bill_date={day.isoformat()}&bill_type=ALL&tar_type=GZIP"
    return f"/v3/bill/fundflowbill?bill_date={day.isoformat()}&account_type=BASIC&tar_type=GZIP"


def _download(grant: BillGrant, *, account: WechatAccount, now: datetime, chance: Chance) -> HttpRequest:
    own_url = account.settings.base_url.rstrip("/")
    parts = urlsplit(grant.download_url)
    if parts.scheme not in ("https", "http") or not parts.netloc:
        raise AnswerUnusable("the bill's address is none")
    host_url = f"{parts.scheme}://{parts.netloc}"
    base_url = own_url if grant.download_url.startswith(f"{own_url}/") else host_url
    request = account.get(grant.download_url[len(base_url) :] or "/", now=now, chance=chance)
    return HttpRequest(
        method=request.method,
        path=request.path,
        headers=request.headers,
        base_url=base_url,
        answer_bytes_max=PACKED_BYTES_MAX,
    )


def _check_hash(bill: bytes, grant: BillGrant) -> None:
    digest = hashlib.sha1(usedforsecurity=False)
    try:
        for chunk in unpacked(bill):
            digest.update(chunk)
    except BillUnpackable as error:
        raise StatementFaulty(1, str(error)) from error
    if digest.hexdigest() != grant.sha1_hex:
        raise StatementFaulty(1, "its hash is not the one that was announced")

"""How the simulated WeChat Pay tells and misbehaves: its schedule, its two keys, its probes and strangers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from compuerta.virtual.providers.notices import PPM, Manner, NoticeKind, Written
from compuerta.virtual.wechat.keys import ProviderKeys
from compuerta.wire.wechat import signature

ANSWER_WITHIN = timedelta(seconds=5)
# 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h: 24 h 4 min in all, as documented.
REPEATS_S = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
_ACCEPTED = (200, 204)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the provider misbehaves; all zero is a good day."""

    certificate_ppm: int = 0  # share of notices signed with the old certificate instead of the public key
    lost_ppm: int = 0  # share of notices that never arrive
    duplicate_ppm: int = 0  # share of notices that arrive twice
    probe_ppm: int = 0  # share of notices that come with a signature probe
    late_ms_max: int = 0  # each first notice is late by 0 to this; two late ones may change places
    refuse_next: int = 0  # so many requests are answered with 429
    fail_next: int = 0  # so many requests are answered with 500
    answer_delay_ms: int = 0  # the server waits so long before it answers
    unsigned_answers: bool = False  # answers carry no signature, as from a stranger on the road
    race_on_close: bool = False  # the payer pays in the moment before a close
    password_ppm: int = 0  # share of code payments that ask the payer for a password
    refund_ms: int = 1_000  # how long a refund is on its way
    refund_abnormal_ppm: int = 0  # share of refunds that the payer's bank does not take
    refund_closed_ppm: int = 0  # share of refunds that end closed
    balance_short: bool = False  # the merchant has no money to give back
    bill_late: bool = False  # the bill is not made yet, whatever the clock says
    bill_crlf: bool = False  # its lines end as those of older bills
    bill_day: str = ""  # the day whose bill is faulty as follows; "" = every day's
    bill_missing: int = 0  # so many lines of the trade bill are not there
    bill_doubled: int = 0  # so many are there twice
    bill_extra: int = 0  # so many are of payments that nobody knows
    bill_altered: int = 0  # so many have another amount
    bill_sums_wrong: bool = False  # its sums are not those of its lines
    fund_missing: int = 0  # so many payments did not come into the account, by the fund bill
    fund_fee_more: int = 0  # so many fees are one yuan more than the trade bill says
    fund_other: int = 0  # so many movements of one yuan that nobody knows the reason of


def manner(*, speedup: int) -> Manner:
    """Return how this provider tells: so often, in such steps, until it is answered with 200 or 204."""
    return Manner(
        answer_within=ANSWER_WITHIN,
        repeats_s=REPEATS_S,
        is_accepted=lambda status, _: status in _ACCEPTED,
        speedup=speedup,
    )


def signed(body: bytes, *, keys: ProviderKeys, random: Random, behaviour: Callable[[], Behaviour]) -> Written:
    """Return what writes a notice: stamped and signed anew each time, by the key that is drawn."""

    def write(now: datetime, kind: NoticeKind) -> tuple[Mapping[str, str], bytes]:
        share_ppm = behaviour().certificate_ppm
        certified = share_ppm > 0 and random.randrange(PPM) < share_ppm
        serial = keys.certificate_serial if certified else keys.public_key_id
        headers = {"content-type": "application/json"} | signature.signed_headers(
            serial=serial,
            stamp=signature.stamp(now=now, chance=random.randbytes(16)),
            body=body,
            signer=keys.signers[serial],
        )
        if kind is NoticeKind.PROBE:
            headers[signature.SIGNATURE] = signature.PROBE_PREFIX + headers[signature.SIGNATURE]
        return headers, body

    return write


def signed_by_a_stranger(body: bytes, *, keys: ProviderKeys, random: Random) -> Written:
    """Return what writes a notice under the provider's name with a signature that is not its own."""

    def write(now: datetime, kind: NoticeKind) -> tuple[Mapping[str, str], bytes]:
        headers = signature.signed_headers(
            serial=keys.public_key_id,
            stamp=signature.stamp(now=now, chance=random.randbytes(16)),
            body=body,
            signer=_Stranger(random),
        )
        return {"content-type": "application/json"} | headers, body

    return write


class _Stranger:
    """Somebody who has no key, and hopes that nobody looks."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def sign(self, message: bytes) -> bytes:
        return self._random.randbytes(256)

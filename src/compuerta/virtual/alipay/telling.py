"""How the simulated Alipay tells and misbehaves: its schedule, its charset, and strangers in its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from compuerta.virtual.providers.notices import PPM, Manner, NoticeKind, Written
from compuerta.wire.alipay import bodies, signing
from compuerta.wire.alipay.bodies import TradeNotice
from compuerta.wire.alipay.keys import Signer

ANSWER_WITHIN = timedelta(seconds=5)
# 4m, 10m, 10m, 1h, 2h, 6h, 15h: 24 h 24 min in all, eight times with the first.
REPEATS_S = (240, 600, 600, 3600, 7200, 21_600, 54_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the gateway misbehaves; all zero is a good day."""

    lost_ppm: int = 0  # share of notices that never arrive
    duplicate_ppm: int = 0  # share of notices that arrive twice
    probe_ppm: int = 0  # share of notices that come with one of a stranger
    late_ms_max: int = 0  # each first notice is late by 0 to this; two late ones may change places
    gbk_ppm: int = 0  # share of notices in GBK
    empty_ppm: int = 0  # share of notices with a field that is empty, and signed
    refuse_next: int = 0  # so many requests meet the limit of requests
    fail_next: int = 0  # so many requests meet a gateway that is out of order
    answer_delay_ms: int = 0  # the server waits so long before it answers
    unsigned_answers: bool = False  # answers carry no signature, as from a stranger on the road
    race_on_close: bool = False  # the payer pays in the moment before a close
    password: bool = False  # a payment by code asks the payer for a password
    code_fails: bool = False  # a payment by code is taken, and the answer is that something is out of order
    balance_short: bool = False  # the merchant has no money to give back
    refund_ms: int = 0  # a refund is on its way for so long, and the answer to it says nothing
    discount_fen: int = 0  # Alipay pays so much of what a payer owes
    bill_at_once: bool = False  # a bill does not wait for ten o'clock of the next day
    bill_missing: int = 0  # so many lines of a bill are not there
    bill_extra: int = 0  # so many lines of a bill are of nobody
    bill_cut: bool = False  # a bill ends before its totals


def manner(*, speedup: int) -> Manner:
    """Return how Alipay repeats: until it reads exactly `success`."""
    return Manner(
        answer_within=ANSWER_WITHIN,
        repeats_s=REPEATS_S,
        is_accepted=lambda status, body: status == 200 and body == b"success",
        speedup=speedup,
    )


def written(notice: TradeNotice, *, signer: Signer, behaviour: Behaviour, random: Random) -> Written:
    """Return what writes a notice anew for each sending: another time, and the same notify_id."""
    charset = "GBK" if behaviour.gbk_ppm and random.randrange(PPM) < behaviour.gbk_ppm else "utf-8"
    empty = bool(behaviour.empty_ppm) and random.randrange(PPM) < behaviour.empty_ppm

    def write(now: datetime, kind: NoticeKind) -> tuple[Mapping[str, str], bytes]:
        told = {**bodies.notice_fields(notice, now=now), "charset": charset, "subject": "电费充值"}
        if empty:
            told["passback_params"] = ""
        hand = Stranger(signer) if kind is NoticeKind.PROBE else signer
        body = signing.notice_body(told, signer=hand, charset=charset)
        return {"content-type": f"application/x-www-form-urlencoded; charset={charset}"}, body

    return write


class Stranger:
    """Signs something else than what is sent, as somebody does who has seen signatures but has no key."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def sign(self, message: bytes) -> bytes:
        return self._signer.sign(b"something else" + message)

"""The facts of the story of payments, as the database has them, and what of them has to be there."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx

from compuerta.adapters.postgres.rows import Row
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.apps import town, wiring
from compuerta.apps.stage import Stage
from compuerta.domain.errors import Refused
from compuerta.virtual.wechat.keys import keys_in
from compuerta.wire.wechat import signature

KEPT_OF_STRANGERS_MAX = 110  # the door keeps a hundred in a minute, and counts the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What has to be in the books of a scene's home in the end."""

    place: str
    credited: int = 0  # payments
    suspended: int = 0
    refunded_minor: int = 0
    cases: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()  # kinds of lines that its recharges have


_PAYMENTS = """
select p.account_id, p.payment_id, p.provider, p.transaction_no, p.reference, p.amount_minor, p.currency,
    p.verdict, p.posted_at, r.credit_minor, t.credited_at, t.closed_at, s.name as supply_point,
    a.kind as account_kind,
    coalesce((select sum(f.amount_minor) from refund f
        where f.account_id = p.account_id and f.payment_id = p.payment_id and f.state = 'done'), 0)::bigint
        as refunded_minor,
    array(select l.kind || ' ' || l.amount_minor from recharge_line l
        where l.account_id = r.account_id and l.recharge_id = r.recharge_id order by l.line_no) as lines
from payment p
join account a using (account_id)
join supply_point s using (supply_point_id)
left join recharge r on r.account_id = p.account_id and r.payment_id = p.payment_id
left join recharge_timeline t on t.account_id = r.account_id and t.recharge_id = r.recharge_id
"""
_CASES = "select kind from case_file where account_id = %(account_id)s"
_OF_SUSPENSE = """
select c.kind from case_file c join provider_account p on p.suspense_account_id = c.account_id
where p.provider = %(provider)s
"""
_STRANGERS = """
select verdict, count(*) as messages from inbound_message group by verdict order by verdict
"""
_CORRECTIONS = """
select s.name as supply_point, c.kind, c.state, c.amount_minor, c.proposed_by, c.decided_by
from correction c join account a using (account_id) join supply_point s using (supply_point_id)
order by c.proposed_at
"""
_RECEIPTS = """
select provider, receipt_no, void_receipt_no from till_sale where receipt_no is not null order by receipt_no
"""


def resting(home: town.Home) -> town.Home:
    """Return a home that uses little, so that what is paid for stays to be looked at."""
    return replace(home, in_story=False, price=_price(home), power_w=20, opening_minor=home.opening_minor)


def _price(home: town.Home) -> str:
    return town.PRICE if home.in_story else home.price


def now_in(store: PostgresStore) -> datetime:
    """Return what the database's clock shows: payments after the first sales are the story's."""
    (now,) = store.query("select now() as at", {})
    at: datetime = now["at"]
    return at


def payments(store: PostgresStore, account_id: int, *, since: datetime) -> list[Row]:
    """Return the payments of an account since an instant, oldest first."""
    rows: list[Row] = []
    rows += store.query(
        _PAYMENTS + " where p.account_id = %(account_id)s and p.posted_at > %(since)s order by p.posted_at",
        {"account_id": account_id, "since": since},
    )
    return rows


def in_force(store: PostgresStore, account_id: int, *, since: datetime) -> int:
    """Return how many recharges of an account came into force since an instant."""
    (found,) = store.query(
        """select count(*) as n from recharge_instant
        where account_id = %(account_id)s and instant = 'credited' and at > %(since)s""",
        {"account_id": account_id, "since": since},
    )
    number: int = found["n"]
    return number


def owes(store: PostgresStore, account_id: int) -> int:
    """Return what an account owes from before."""
    (found,) = store.query(
        "select coalesce(sum(remaining_minor), 0)::bigint as minor from debt where account_id = %(id)s",
        {"id": account_id},
    )
    minor: int = found["minor"]
    return minor


def cases(store: PostgresStore, account_id: int) -> list[str]:
    """Return the kinds of an account's cases."""
    return [row["kind"] for row in store.query(_CASES, {"account_id": account_id})]


def cases_in_suspense(store: PostgresStore, provider: str) -> list[str]:
    """Return the kinds of the cases about money that no account could be found for."""
    return [row["kind"] for row in store.query(_OF_SUSPENSE, {"provider": provider})]


def refusal(act: Callable[[], object]) -> str:
    """Do something, and return why it was refused; "" where it was not."""
    try:
        act()
    except httpx.HTTPStatusError as error:
        return f"{error.response.status_code}: {error.response.json().get('detail', '')}"
    except Refused as refused:
        return str(refused)
    return ""


def forged_answers(stage: Stage, reference: str) -> dict[str, int]:
    """Knock with words that look like WeChat Pay's; returns how each was answered."""
    keys = keys_in(stage.provider_keys / "wechat", now=wiring.now()).provider()
    body = b'{"id": "1", "event_type": "TRANSACTION.SUCCESS", "out_trade_no": "%s"}' % reference.encode()
    stamp = signature.stamp(now=datetime.now(UTC), chance=wiring.chance(16))
    signed = signature.signed_headers(
        serial=keys.public_key_id, stamp=stamp, body=body, signer=keys.signers[keys.public_key_id]
    )
    knocks = {
        "unsigned": ({}, body),
        "written anew": (signed, body.replace(b": ", b":")),
        "signed, and not sealed": (signed, body),
    }
    url = f"{stage.console_url}/notices/wechat"
    return {
        name: stage.client.post(url, content=content, headers=dict(headers)).status_code
        for name, (headers, content) in knocks.items()
    }


def gather(
    store: PostgresStore,
    scenes: Mapping[str, Expected],
    homes: Mapping[str, town.Home],
    *,
    since: datetime,
    noted: Mapping[str, object],
) -> dict[str, Any]:
    """Return what the database says of every payment of the story, by scene."""
    found = store.query(_PAYMENTS + " where p.posted_at > %(since)s order by p.posted_at", {"since": since})
    by_account: dict[int, list[Row]] = defaultdict(list)
    for row in found:
        by_account[row["account_id"]].append(row)
    told = {
        name: {
            "place": scene.place,
            "payments": [_told(row) for row in by_account[homes[scene.place].account_id]],
            "cases": sorted(cases(store, homes[scene.place].account_id)),
            "owes_minor": owes(store, homes[scene.place].account_id),
            "in_force": in_force(store, homes[scene.place].account_id, since=since),
        }
        for name, scene in scenes.items()
    }
    return {
        "scenes": told,
        "suspense": [_told(row) for row in found if row["verdict"] == "suspended"],
        "corrections": [dict(row) for row in store.query(_CORRECTIONS, {})],
        "receipts": [dict(row) for row in store.query(_RECEIPTS, {})],
        "messages": {row["verdict"]: row["messages"] for row in store.query(_STRANGERS, {})},
        "seen": dict(noted),
    }


def _told(row: Row) -> dict[str, Any]:
    return {
        "provider": row["provider"],
        "transaction_no": row["transaction_no"],
        "amount_minor": row["amount_minor"],
        "currency": row["currency"],
        "verdict": row["verdict"],
        "credit_minor": row["credit_minor"] or 0,
        "suspense_minor": row["amount_minor"] if row["verdict"] == "suspended" else 0,
        "refunded_minor": row["refunded_minor"],
        "lines": row["lines"] or [],
        "in_force": row["credited_at"] is not None,
    }


def missing(facts: Mapping[str, Any], scenes: Mapping[str, Expected]) -> list[str]:
    """Return what of the story is not as it should be."""
    lines = []
    for name, scene in scenes.items():
        told = facts["scenes"][name]
        verdicts = Counter(each["verdict"] for each in told["payments"])
        if (verdicts["credited"], verdicts["suspended"]) != (scene.credited, scene.suspended):
            lines.append(f"{name}: {dict(verdicts)} payments, not {scene.credited} and {scene.suspended}")
        refunded_minor = sum(each["refunded_minor"] for each in told["payments"])
        if refunded_minor != scene.refunded_minor:
            lines.append(f"{name}: {refunded_minor} was refunded, not {scene.refunded_minor}")
        lines += [f"{name}: no case {kind}" for kind in scene.cases if kind not in told["cases"]]
        kinds = {line.partition(" ")[0] for each in told["payments"] for line in each["lines"]}
        lines += [f"{name}: no line {kind}" for kind in scene.lines if kind not in kinds]
    return [*lines, *_missing_of_all(facts)]


def _missing_of_all(facts: Mapping[str, Any]) -> list[str]:
    seen, lines = facts["seen"], []
    if any(status < 400 for status in seen["forged"].values()):
        lines.append(f"a forged word was taken: {seen['forged']}")
    if not seen["too_much"].startswith("422"):
        lines.append(f"more than may be hoarded was ordered: {seen['too_much']!r}")
    if seen["undone"] or seen["over_the_counter"]["over_minor"]:
        lines.append(f"a sale was not undone, or the drawer is off: {seen}")
    if seen["by_a_biller"]:
        lines.append(f"a shop could not take its payment back: {seen['by_a_biller']}")
    if seen["out_of_reach"]:
        lines.append("a meter that was out of reach has its credit")
    if any(status < 400 for status in seen["flooded"]):
        lines.append(f"strangers were answered with {seen['flooded']}")
    refused = sum(
        number for verdict, number in facts["messages"].items() if verdict in ("header_missing", "too_large")
    )
    if refused > KEPT_OF_STRANGERS_MAX:
        lines.append(f"{refused} messages of strangers were kept")
    if facts["scenes"]["charged_back"]["owes_minor"] <= 0:
        lines.append("what a bank took back is no debt")
    if facts["scenes"]["refunded_by_hand"]["owes_minor"] <= 0:
        lines.append("what was refunded past us is no debt")
    if facts["scenes"]["right_meter"]["in_force"] != 1:
        lines.append("the neighbour never got what was meant for them")
    numbers = sorted(
        number
        for row in facts["receipts"]
        for number in (row["receipt_no"], row["void_receipt_no"])
        if number is not None
    )
    if numbers != list(range(1, len(numbers) + 1)):
        lines.append(f"receipts are numbered {numbers}")
    return lines

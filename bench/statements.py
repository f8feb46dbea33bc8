"""A provider's bill of a million payments against our books, to rows that say what differs.

Ours: a packed trade bill of WeChat as it is fetched, read, checked against its own sums, written down, copied
into PostgreSQL and matched with the payments of its day; the differences, a few hundred of each kind, and the
fee are written, and what only the provider knows of goes into suspense.
The floor: the same lines copied into the same table by COPY, and one join that counts who agrees, in the same
run.

    python bench/statements.py [--lines 100000]        (--lines 1000000 is the full size)
"""

import argparse
import gzip
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import md5
from typing import TypeVar
from uuid import uuid4

import _estate
import psycopg
from _stand import told

from compuerta.adapters.payments.wechat_bill_lines import lines
from compuerta.adapters.postgres import bulk_statements
from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.party import AccountKind
from compuerta.services import agreeing, statement_days, statement_sheet
from compuerta.services.agreeing import Bill
from compuerta.services.payment_ports import StatementKind
from compuerta.services.records import AccountOpening, ProviderAccount
from compuerta.services.statement_port import Compared, Scope, Statement
from compuerta.services.statement_sheet import Sheet
from compuerta.wire.wechat.bills import TRADE_COLUMNS, TRADE_SUMS

Result = TypeVar("Result")

DAY, NOW = date(2026, 11, 21), datetime(2026, 11, 22, 3, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 20, 16, tzinfo=UTC)
MCHID, PROVIDER = "1900000001", "wechat"
EACH = 300  # differences of each kind
AMOUNT_FEN, FEE_MICRO = 5_000, 300_000
TARGET_S, TARGET_MIB = 30, 1_024
_PAYMENTS = (
    "select setval(pg_get_serial_sequence('supply_point', 'supply_point_id'), 1000)",
    "select setval(pg_get_serial_sequence('account', 'account_id'), 1000)",
    """insert into payment
    select n %% 1000 + 1, md5('p' || n)::uuid, 'wechat', '42' || lpad(n::text, 26, '0'),
        md5('o' || n), 5000, 'CNY', %(midnight)s + n * interval '1 day' / %(days)s, %(now)s, 'credited'
    from generate_series(0, %(last)s) n""",
    """insert into payment_reference
    select 'wechat', 'transaction', transaction_no, account_id, payment_id from payment""",
    "vacuum analyze payment, payment_reference",
    "checkpoint",
)
_FLOOR = """
select count(*) from theirs t join payment p on p.provider = 'wechat' and p.transaction_no = t.transaction_no
where p.amount_minor = t.amount_minor
"""


def main() -> None:
    """Print seconds for each part, memory, and the ratio to the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    given = parser.parse_args()
    # Made by another process: what making it takes is not our peak.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        file = pool.submit(made_bill, given.lines).result()
    with _estate.standing(accounts=1_000) as url:
        fill(url, given.lines)
        store = PostgresStore(url)
        statement = begun(store)
        sheet, read_s = timed(lambda: statement_sheet.written(lines(file, StatementKind.TRADE, mchid=MCHID)))
        times: dict[str, float] = {}
        scope = statement_days.scope_of(statement, zone="Asia/Shanghai")
        bill = Bill(statement=statement, sheet=sheet, scope=scope, payees=False)
        taken, all_s = timed(lambda: agreeing.take(store, partial(compared, store, times), bill, now=NOW))
        peak_mib = _estate.peak_bytes() >> 20
        with store.transaction() as tx:
            found = Counter(each.what.value for each in tx.statements.differences(statement.key))
        load_s, join_s = floor(store, sheet)
        store.shut()
    told(f"{taken.lines:,} lines, {taken.matched:,} agree, differences: {dict(found)}")
    told(f"read, checked, written down {read_s:.1f} s; copied and matched {times['match']:.1f} s")
    told(f"differences written and settled {all_s - times['match']:.1f} s")
    whole_s = read_s + times["match"]
    told(f"whole {whole_s:.1f} s (target {TARGET_S} s), peak {peak_mib} MiB (target {TARGET_MIB} MiB)")
    ratio = times["match"] / (load_s + join_s)
    told(f"floor: COPY {load_s:.1f} s and a join {join_s:.1f} s; copied and matched in {ratio:.2f} times it")
    sys.exit(0 if whole_s < TARGET_S and peak_mib < TARGET_MIB else 1)


def made_bill(count: int) -> bytes:
    """Return a packed bill: of `count` payments some are missing, more, doubled, or of another amount."""
    made = list(_rows(count))
    gross_fen = sum(fen for _, fen in made)
    sums = [str(len(made)), _yuan(gross_fen), "0.00", "0.00", f"{len(made) * FEE_MICRO / 1e6:.5f}"]
    sums += [_yuan(gross_fen), "0.00"]
    text = [",".join(TRADE_COLUMNS), *(line for line, _ in made), ",".join(TRADE_SUMS)]
    return gzip.compress("\n".join([*text, "`" + ",`".join(sums), ""]).encode(), 1)


def _rows(count: int) -> Iterator[tuple[str, int]]:
    for number in range(EACH, count + EACH):  # the first are ours alone, the last are theirs alone
        fen = AMOUNT_FEN + 1 if number < 2 * EACH else AMOUNT_FEN
        at = MIDNIGHT + timedelta(hours=8) + timedelta(seconds=min(number, count - 1) * 86_400 // count)
        reference = md5(f"o{number}".encode(), usedforsecurity=False).hexdigest()
        cells = {
            "交易时间": at.strftime("%Y-%m-%d %H:%M:%S"),
            "商户号": MCHID,
            "微信订单号": f"42{number:026d}",
            "商户订单号": reference,
            "交易类型": "NATIVE",
            "交易状态": "SUCCESS",
            "货币种类": "CNY",
            "应结订单金额": _yuan(fen),
            "退款金额": "0.00",
            "充值券退款金额": "0.00",
            "商户退款单号": "0",
            "商品名称": "electricity, flat 12",
            "手续费": f"{FEE_MICRO / 1e6:.5f}",
            "费率": "0.60%",
            "订单金额": _yuan(fen),
            "申请退款金额": "0.00",
        }
        line = "`" + ",`".join(cells.get(name, "") for name in TRADE_COLUMNS)
        yield line, fen
        if 2 * EACH <= number < 3 * EACH:
            yield line, fen


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def fill(url: str, count: int) -> None:
    """Write the payments of the day."""
    values = {"midnight": MIDNIGHT, "now": NOW, "days": count, "last": count - 1}
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _PAYMENTS:
            connection.execute(statement, values if "%(" in statement else None)


def begun(store: PostgresStore) -> Statement:
    """Write the provider's account and the bill that is to be fetched."""
    with store.transaction() as tx:
        opening = AccountOpening(
            site_id=1, supply_point="suspense", pay_token=uuid4(), kind=AccountKind.SUSPENSE,
            name="suspense",
            opened_at=_estate.OPENED_AT, tariff_id=None, meter_id=None,
        )  # fmt: skip
        suspense_id = tx.add_account(opening)
        tx.add_provider_account(
            ProviderAccount(
                provider=PROVIDER, organisation_id=1, kind="wechat", suspense_account_id=suspense_id
            )
        )
        statement = Statement(
            provider=PROVIDER, day=DAY, kind=StatementKind.TRADE, organisation_id=1, currency="CNY"
        )
        tx.statements.put([statement])
    return statement


def compared(store: PostgresStore, times: dict[str, float], sheet: Sheet, scope: Scope) -> Compared:
    """Compare, and keep how long it took."""
    result, times["match"] = timed(lambda: bulk_statements.compare(store, sheet, scope))
    return result


def floor(store: PostgresStore, sheet: Sheet) -> tuple[float, float]:
    """Copy the same lines, and join them once."""
    with store.copying() as (_, connection):
        _, load_s = timed(lambda: bulk_statements.load(connection, sheet))
        _, join_s = timed(lambda: connection.execute(_FLOOR).fetchall())
    return load_s, join_s


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """Return what a work gives, and its seconds."""
    started_s = time.perf_counter()
    return work(), time.perf_counter() - started_s


if __name__ == "__main__":
    main()

"""Rows: between the dataclasses of the store port and PostgreSQL's columns.

Batches travel as one JSON parameter that PostgreSQL unfolds by the table's own row type
(`jsonb_populate_recordset`), so that a batch of any size is one statement with one plan.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import orjson

from compuerta.domain.instruction import Instruction, Kind, Limits, State
from compuerta.domain.ledger import Line, Posting, PostingKind
from compuerta.domain.party import Account, AccountKind, CreditAuthority, Meter, Period, RoadKind
from compuerta.domain.payment import Attempt, AttemptState, Flow
from compuerta.domain.policy import policy_of_texts
from compuerta.domain.supply import HoldKind
from compuerta.drivers.abilities import Relay
from compuerta.services.facts import BilledBy
from compuerta.services.records import AccountView, Holdings, LoadDay, MeterSnapshot, Payment, PaymentVerdict

Row = Mapping[str, Any]


class Asked(Protocol):
    """What can be asked for rows, and given rows: a transaction."""

    def query(self, statement: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
        """Run one statement with named values."""
        ...

    def run(self, statement: str, values: Mapping[str, object]) -> None:
        """Run one statement with named values that returns no rows."""
        ...

    def insert(self, table: str, records: Sequence[Row], *, on_conflict: str = "") -> None:
        """Queue new rows of a table."""
        ...

    def update(
        self, table: str, records: Sequence[Row], *, key: tuple[str, ...], changed: tuple[str, ...]
    ) -> None:
        """Queue changes of rows that are named by their key."""
        ...

    def write(self, table: str, statement: str, value: object) -> None:
        """Queue a statement that writes one table, with its one value."""
        ...


def packed(rows: Iterable[Row]) -> str:
    """Turn rows into the one JSON parameter of a batch."""
    return orjson.dumps(list(rows), default=_plain).decode()


def columns(record: object, **renamed: str) -> dict[str, Any]:
    """Return a record's fields as columns; `renamed` maps a field to the column that holds it."""
    names: tuple[str, ...] = record.__slots__  # type: ignore[attr-defined]
    return {renamed.get(name, name): getattr(record, name) for name in names}


def posting_columns(posting: Posting) -> dict[str, Any]:
    """Return a posting's columns: its lines lie in two arrays."""
    row = columns(posting)
    lines = row.pop("lines")
    row["codes"] = [line.code for line in lines]
    row["amounts_minor"] = [line.amount_minor for line in lines]
    return row


def to_posting(row: Row) -> Posting:
    """Build a posting from its row."""
    lines = zip(row["codes"], row["amounts_minor"], strict=True)
    kept = {name: row[name] for name in ("account_id", "posting_id", "currency", "booked_at", "cause_id")}
    return Posting(
        **kept,
        kind=PostingKind(row["kind"]),
        reverses=row["reverses"],
        lines=tuple(Line(code=code, amount_minor=amount_minor) for code, amount_minor in lines),
    )


def to_attempt(row: Row) -> Attempt:
    """Build an attempt from its row."""
    return Attempt(**{**row, "state": AttemptState(row["state"]), "flow": Flow(row["flow"])})


def to_payment(row: Row) -> Payment:
    """Build a payment from its row."""
    return Payment(**{**row, "verdict": PaymentVerdict(row["verdict"])})


def to_instruction(row: Row) -> Instruction:
    """Build an instruction from its row."""
    limits = row["limits"]
    return Instruction(
        **{
            **row,
            "kind": Kind(row["kind"]),
            "state": State(row["state"]),
            "limits": None if limits is None else Limits(**limits),
        }
    )


def to_meter(row: Row) -> Meter:
    """Build a meter from its row."""
    return Meter(
        **{
            **row,
            "credit_authority": CreditAuthority(row["credit_authority"]),
            "road": RoadKind(row["road"]),
        }
    )


def to_view(row: Row, billed_by: BilledBy | None) -> AccountView:
    """Build an account's view from the row of the locking query: columns are prefixed by their part."""
    account = _part(row, _ACCOUNT)
    period = Period(start=row["a_opened_at"], end=row["a_closed_at"])
    account["kind"] = AccountKind(account["kind"])
    has_meter = row["m_meter_id"] is not None
    return AccountView(
        account=Account(**account, period=period, meter_id=row["m_meter_id"]),
        holdings=to_holdings(_part(row, _HOLDINGS)),
        schedule=None if billed_by is None else billed_by.schedule,
        agreed=() if billed_by is None else billed_by.agreed,
        by_intervals=row["billed_by"] == "intervals",
        meter=to_meter(_part(row, _METER)) if has_meter else None,
        snapshot=to_snapshot(_part(row, _SNAPSHOT)) if has_meter else None,
        holds=frozenset(HoldKind(kind) for kind in row["holds"]),
        hold_edge=row["hold_edge"],
        policy=policy_of_texts(row["o_policy"], row["z_policy"], row["a_policy"]),
    )


def to_holdings(row: Row) -> Holdings:
    """Build what an account has from its row."""
    rates_wh = row["register_rates_wh"]
    return Holdings(
        **{
            **row,
            "tally": tuple(row["tally"]),
            "register_rates_wh": None if rates_wh is None else tuple(rates_wh),
        }
    )


def to_load_day(row: Row) -> LoadDay:
    """Build a day of intervals from its row."""
    return LoadDay(**{**row, "wh": tuple(row["wh"])})


def to_snapshot(row: Row) -> MeterSnapshot:
    """Build what is known of a meter from its row."""
    relay = row["relay"]
    return MeterSnapshot(
        **{**row, "relay": None if relay is None else Relay(relay), "flags": frozenset(row["flags"])}
    )


_Names = tuple[tuple[str, str], ...]  # (field, column)


def _prefixed(record: type, prefix: str, *, but: frozenset[str] = frozenset()) -> _Names:
    names: tuple[str, ...] = record.__slots__  # type: ignore[attr-defined]
    return tuple((name, f"{prefix}{name}") for name in names if name not in but)


# Which columns make which part of a view; said once, since a view is built for every payment and reading.
_ACCOUNT = _prefixed(Account, "a_", but=frozenset({"meter_id", "period"}))
_HOLDINGS = _prefixed(Holdings, "s_")
_METER = _prefixed(Meter, "m_")
_SNAPSHOT = _prefixed(MeterSnapshot, "t_")


def _part(row: Row, names: _Names) -> dict[str, Any]:
    return {field: row[column] for field, column in names}


def _plain(value: object) -> object:
    match value:
        case frozenset():
            return sorted(value)
        case Limits():
            return columns(value)
        case bytes():
            return "\\x" + value.hex()
        case _:
            raise TypeError(f"{type(value).__name__} is not a column")

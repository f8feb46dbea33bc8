"""Charges as columns: what many accounts have, and what their uses lead to, a row each.

The two bulk works, registers and bills of intervals, share these tables and the names of their rows, which
are those that `charging` gives.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from compuerta.domain import alert, alert_many
from compuerta.domain.ledger import DELIVERED
from compuerta.domain.naming_many import Names, derived_many, named_many
from compuerta.domain.policy import Level, LevelKind
from compuerta.domain.tariff import components
from compuerta.domain.tariff.civil import day_of, from_us
from compuerta.domain.tariff.columns import Bills, Bools, Int64s
from compuerta.domain.tariff.components import Account
from compuerta.domain.tariff.packing import HEAD, SEGMENT_HEAD, Shape, shape_of
from compuerta.domain.tariff.schedule import Schedule, VersionKey
from compuerta.services.records import Basis, Warned

NONE: Final = int(np.iinfo(np.int64).min)  # stands for what is not known
BASES: Final = tuple(Basis)  # a basis as a column is its place here
# A charge's lines as columns: what the account pays, then where it goes, in the order of a posting.
CODES: Final = (DELIVERED, *sorted(account.value for account in Account))
_ACCOUNTS: Final = {account: CODES.index(account.value) for account in Account}
# Where a packed tally has what these works look at.
OPENED, BILL_START, UNTIL, ACCRUED, WINDOW_START, FREE_START, FREE_USED, CARRY, CARRY_OF, YEAR = (
    HEAD.index(name)
    for name in (
        "opened_us", "bill_start_us", "until_us", "accrued_us", "window_start_us", "free_start_us",
        "free_used_wh", "carry_numerator", "carry_denominator", "year_numerator",
    )
)  # fmt: skip
VERSION_NO, START = (SEGMENT_HEAD.index(name) for name in ("version_no", "start_us"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What accounts of one schedule and terms have, a row each, by meter."""

    account_id: Int64s
    meter_id: Int64s
    register_wh: Int64s
    register_at_us: Int64s
    billed_wh: Int64s
    delivered_minor: Int64s
    warned: Int64s
    warned_of: Int64s
    warned_minor: Int64s  # NONE = the levels have seen no balance yet
    tally: Int64s  # [account, number]: packed, all of one length

    def at(self, rows: Int64s | Bools) -> "Standing":
        """Return some rows, by a mask or by their numbers."""
        return Standing(**{name: getattr(self, name)[rows] for name in Standing.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """One use of each account, and what it came to."""

    starts_us: Int64s
    ends_us: Int64s
    from_wh: Int64s
    energy_wh: Int64s
    before_minor: Int64s
    after_minor: Int64s
    amounts_minor: Int64s  # [account, code]
    basis: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """Charges with their postings, a row each."""

    account_id: Int64s
    charge_id: Names
    posting_id: Names
    meter_id: Int64s
    read_at_us: Int64s
    from_at_us: Int64s
    from_wh: Int64s
    to_wh: Int64s
    bill_before_minor: Int64s
    bill_after_minor: Int64s
    bill_start_us: Int64s
    version: Int64s  # [charge, (tariff, number)]
    basis: Int64s  # its place among BASES
    amounts_minor: Int64s  # [charge, code]: the posting's lines; all zero = there is none

    def at(self, rows: Int64s | Bools) -> "Charges":
        """Return some rows, by a mask or by their numbers."""
        return Charges(**{name: getattr(self, name)[rows] for name in Charges.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Warnings:
    """Levels of money that spoke."""

    account_id: Int64s
    level_minor: Int64s
    balance_minor: Int64s
    at_us: Int64s

    def at(self, rows: Int64s | Bools) -> "Warnings":
        """Return some rows, by a mask or by their numbers."""
        return Warnings(**{name: getattr(self, name)[rows] for name in Warnings.__slots__})

    def rows(self) -> list[Warned]:
        """Return them one by one."""
        columns = (getattr(self, name).tolist() for name in Warnings.__slots__)
        return [
            Warned(
                account_id=account_id,
                level=Level(kind=LevelKind.MONEY, value=level_minor).key,
                value=balance_minor,
                balance_minor=balance_minor,
                at=from_us(at_us),
            )
            for account_id, level_minor, balance_minor, at_us in zip(*columns, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what all accounts of a standing are billed."""

    schedule: Schedule
    contract: components.Terms
    currency: str
    levels: Sequence[Level]  # ordered, all of money


def alike(tallies: Int64s, schedule: Schedule, rows: Int64s) -> Iterator[tuple[Int64s, Shape]]:
    """Part rows into those whose tallies are of one shape, version, cycle and windows."""
    moves = any(version.tariff.energy.steps.prorate_moves for version in schedule.by_key.values())
    for totals in np.unique(tallies[rows, HEAD.index("totals")]).tolist():
        some = rows[tallies[rows, HEAD.index("totals")] == totals]
        shape = shape_of(tallies[some[0]].tolist())
        if shape is None:
            continue
        for at, wanted in shape.heads.items():
            some = some[tallies[some, at] == wanted]
        segment = shape.segment_at.start
        parts = [tallies[some, at] for at in (segment, segment + VERSION_NO, WINDOW_START, FREE_START)]
        parts += [
            _days(tallies[some, segment + START], schedule),
            _days(tallies[some, BILL_START], schedule),
        ]
        if moves:
            parts.append(_days(tallies[some, OPENED], schedule))
        group = np.zeros(len(some), np.int64)
        for part in parts:
            values, places = np.unique(part, return_inverse=True)
            if len(values) > 1:
                _, group = np.unique(group * len(values) + places, return_inverse=True)
        for number in range(int(group.max()) + 1):
            yield some[group == number], shape


def _days(instants_us: Int64s, schedule: Schedule) -> Int64s:
    values, places = np.unique(instants_us, return_inverse=True)
    days = [day_of(each, zone=schedule.zone).toordinal() for each in values.tolist()]
    return np.array(days, np.int64)[places]


def amounts_of(before: Bills, after: Bills) -> Int64s:
    """Return a charge's lines, by code: the account pays, the others earn."""
    amounts = np.zeros((len(after.total_minor), len(CODES)), np.int64)
    amounts[:, 0] = after.total_minor - before.total_minor
    for account, minor in after.by_account.items():
        amounts[:, _ACCOUNTS[account]] = before.by_account.get(account, 0) - minor
    return amounts


def charges_of(standing: Standing, uses: Uses, *, version: VersionKey) -> Charges:
    """Return the charges of uses, a row each; what moves neither energy nor money leaves nothing."""
    rows = np.flatnonzero((uses.energy_wh > 0) | uses.amounts_minor.any(axis=1))
    account_id, bill_start_us = standing.account_id[rows], standing.tally[rows, BILL_START]
    read_at_us, basis = uses.ends_us[rows], uses.basis[rows]
    charge_id = named_many(_facts(account_id, read_at_us, bill_start_us, basis))
    return Charges(
        account_id=account_id,
        charge_id=charge_id,
        posting_id=derived_many(charge_id, "charge"),
        meter_id=standing.meter_id[rows],
        read_at_us=read_at_us,
        from_at_us=uses.starts_us[rows],
        from_wh=uses.from_wh[rows],
        to_wh=uses.from_wh[rows] + uses.energy_wh[rows],
        bill_before_minor=uses.before_minor[rows],
        bill_after_minor=uses.after_minor[rows],
        bill_start_us=bill_start_us,
        version=np.tile(np.array(version, np.int64), (len(rows), 1)),
        basis=basis,
        amounts_minor=uses.amounts_minor[rows],
    )


def _facts(account_id: Int64s, read_at_us: Int64s, bill_start_us: Int64s, basis: Int64s) -> Iterator[str]:
    """Write of each charge what names it."""
    instants, places = np.unique(read_at_us, return_inverse=True)
    written = [from_us(each).isoformat() for each in instants.tolist()]
    words = [each.value for each in BASES]
    rows = zip(account_id.tolist(), places.tolist(), bill_start_us.tolist(), basis.tolist(), strict=True)
    for account, place, bill_start, word in rows:
        yield f"charge:{account}:{written[place]}:{bill_start}:{words[word]}"


def warned(
    standing: Standing, *, ends_us: Int64s, is_minor: Int64s, levels: Sequence[Level]
) -> tuple[Warnings, Int64s]:
    """Return what balances' changes make the levels say, and which have spoken, as `warning.decided` does.

    `standing` is that before the change, in which `delivered_minor` is what was credited meanwhile too.
    """
    was_minor = standing.delivered_minor
    known = standing.warned_of == alert.mark(levels)
    spoken = alert_many.spoken(
        levels,
        was_minor=was_minor,
        is_minor=is_minor,
        warned=alert_many.based(
            levels, was_minor=was_minor, warned=standing.warned, warned_of=standing.warned_of
        ),
        recharged=known & (was_minor > standing.warned_minor),  # NONE lies below every balance
    )
    rows = np.flatnonzero(spoken.place >= 0)
    said = Warnings(
        account_id=standing.account_id[rows],
        level_minor=np.array([level.value for level in levels], np.int64)[spoken.place[rows]],
        balance_minor=is_minor[rows],
        at_us=ends_us[rows],
    )
    return said, spoken.warned


Table = TypeVar("Table", Charges, Warnings, Standing)


def joined(parts: Sequence[Table]) -> Table:
    """Return the rows of all parts, one after the other."""
    names: tuple[str, ...] = parts[0].__slots__
    return type(parts[0])(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

"""The promise of warnings as a check: a level speaks once for each time that a balance falls through it (W1).

Where a level has spoken twice, credit came in between that lifted the balance above it. And where our books
hold the balance and nobody has settled levels, postings tell each crossing again, and nothing else is asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from compuerta.domain import alert
from compuerta.domain.ledger import DELIVERED, PostingKind, liability_minor
from compuerta.domain.party import Account, CreditAuthority
from compuerta.domain.policy import DEFAULT, levels_of
from compuerta.services.facts import View, unless
from compuerta.services.records import Basis, Charge, Warned

# Two processes that wait for each other's locks may write in another order than their clocks say.
IN_DOUBT = timedelta(seconds=1)
# From the meter's answer to the row: a batch waits for its turn no longer.
ON_ITS_WAY = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """What a posting did to a balance."""

    at: datetime
    amount_minor: int
    charge: Charge | None


def w1(view: View) -> Iterator[str | None]:
    """W1 A level speaks exactly once for each time that what it counts falls through it."""
    for account in view.books.accounts:
        warnings = sorted(view.warnings_of.get(account.account_id, ()), key=lambda each: each.at)
        moves = _moves(view, account)
        yield from _armed_between(account, warnings, moves)
        if _is_told_again(view, account, moves):
            yield from _crossings(account, warnings, moves)


def _moves(view: View, account: Account) -> list[_Move]:
    charges = {each.charge_id: each for each in view.charges_of.get(account.account_id, ())}
    moves = []
    for posting in view.postings_by_account.get(account.account_id, ()):
        amount_minor = liability_minor(posting, code=DELIVERED)
        if amount_minor:
            charge = charges.get(posting.cause_id) if posting.kind is PostingKind.CHARGE else None
            moves.append(_Move(at=posting.booked_at, amount_minor=amount_minor, charge=charge))
    return sorted(moves, key=lambda move: (move.at, move.charge.from_wh if move.charge else -1))


def _armed_between(
    account: Account, warnings: Sequence[Warned], moves: Sequence[_Move]
) -> Iterator[str | None]:
    """Between two warnings of a level of money, credit came that could arm it."""
    by_level: dict[str, list[Warned]] = {}
    for each in warnings:
        if each.level.startswith("money:"):
            by_level.setdefault(each.level, []).append(each)
    for level, spoken in by_level.items():
        for first, second in pairwise(spoken):
            credited = any(
                move.amount_minor > 0 and first.at <= move.at <= second.at + ON_ITS_WAY for move in moves
            )
            yield unless(
                credited,
                f"account {account.account_id}: {level} spoke at {first.at.isoformat()} and at "
                f"{second.at.isoformat()}, and no credit came between",
            )


def _is_told_again(view: View, account: Account, moves: Sequence[_Move]) -> bool:
    """Tell whether the postings alone say which warnings there should be."""
    policy, meter_id = view.books.policies.get(account.account_id), account.meter_id
    if policy is None or policy.levels is not None or meter_id is None:
        return False
    if view.meter[meter_id].credit_authority is not CreditAuthority.PLATFORM:
        return False
    if any(move.charge is None and move.amount_minor < 0 for move in moves):
        return False  # what is taken back is told with the next look, whenever that is
    if any(move.charge is not None and move.charge.meter_id != meter_id for move in moves):
        return False  # what was used until an exchange is told with the new meter's first reading
    return not any(
        (one.charge is None) != (other.charge is None) and other.at - one.at < IN_DOUBT
        for one, other in pairwise(moves)
    )


def _crossings(account: Account, warnings: Sequence[Warned], moves: Sequence[_Move]) -> Iterator[str | None]:
    """Walk through what happened to a balance, and compare what was said at each writing."""
    levels = _usual(account.currency)
    said = _by_writing(warnings, moves)
    spoken: set[int] | None = None
    balance_minor, credited = 0, True
    crossed: dict[datetime, list[int]] = {}
    for move in moves:
        before_minor, balance_minor = balance_minor, balance_minor + move.amount_minor
        if move.charge is None:
            credited = True
            continue
        if spoken is None:
            spoken = {level for level in levels if before_minor <= level}
        elif credited:
            spoken -= {level for level in levels if before_minor > level}
        credited = False
        crosses = [level for level in levels if balance_minor <= level and level not in spoken]
        spoken.update(crosses)
        crossed.setdefault(move.at, []).extend(crosses)
    for at in sorted(crossed.keys() | said.keys()):
        told, due = said.get(at, []), crossed.get(at, [])
        fine = len(set(told)) == len(told) and set(told) <= set(due) and (not due or min(due) in told)
        yield unless(
            fine,
            f"account {account.account_id} fell through {due} at {at.isoformat()}, and was told {told}",
        )


def _usual(currency: str) -> list[int]:
    return [level.value for level in alert.ordered(levels_of(DEFAULT, currency=currency))]


def _by_writing(warnings: Sequence[Warned], moves: Sequence[_Move]) -> dict[datetime, list[int]]:
    """Return the levels that spoke, by when the use that led to it was written."""
    written: dict[datetime, datetime] = {}
    for move in moves:
        if move.charge is not None:
            written[move.at if move.charge.basis is Basis.DAYS else move.charge.read_at] = move.at
    said: dict[datetime, list[int]] = {}
    for each in warnings:
        said.setdefault(written.get(each.at, each.at), []).append(int(each.level.partition(":")[2]))
    return said

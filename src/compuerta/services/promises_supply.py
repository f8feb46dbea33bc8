"""The promises of supply as checks: who is on, who is off, and that a reason is named for either (S1-S4)."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from compuerta.domain import instruction as life
from compuerta.domain.friendly import is_friendly
from compuerta.domain.instruction import Instruction, Kind, State
from compuerta.domain.party import Account, CreditAuthority, zone_of
from compuerta.domain.supply import FORBIDDING, PRECEDENCE, STAGES, Reason
from compuerta.drivers.abilities import Relay
from compuerta.services.facts import MeterFact, View, grouped, unless
from compuerta.services.records import SupplyChange
from compuerta.services.staging import LOOK_AGE_MAX, LOOK_WAIT_MAX, PAYING_MAX

# An order that was on its way when a hold was placed may still arrive: a lease, and the road's delay.
ON_ITS_WAY = 2 * life.LEASE
# A hold ends by the clock of the process that lifted it; clocks that are kept by NTP are nearer than this.
CLOCKS_APART_MAX = timedelta(seconds=5)
_STAGES = frozenset(reason.value for reason in STAGES)
_CUTTING = frozenset(reason.value for reason, _, closed in PRECEDENCE if not closed)
# What a meter with credit decides by itself: all that the platform may send it then is a release.
_METERS_OWN = frozenset({Reason.OUT_OF_CREDIT.value, Reason.BILLING_HELD.value})


def s1_always(view: View) -> Iterator[str | None]:
    """S1 The platform never cuts an account that has credit, except by a named hold; nor before its time."""
    yield from _s1_named(view)
    yield from _s1_stages(view)


def _s1_named(view: View) -> Iterator[str | None]:
    """Yield whether each cut is for a reason of the table."""
    for each in view.books.instructions:
        if each.relay_closed is False:
            platform = view.meter[each.meter_id].credit_authority is CreditAuthority.PLATFORM
            named = each.reason in _CUTTING and (platform or each.reason != Reason.OUT_OF_CREDIT.value)
            yield unless(named, f"meter {each.meter_id} is cut for {each.reason!r}")


def _s1_stages(view: View) -> Iterator[str | None]:
    """Yield whether each cut for money came after its stages, and in no friendly hour.

    It is judged by the policy as it stands: what was there at the look before was judged then.
    """
    judged = set(view.before.supply_changes) if view.before is not None else set()
    of_meter = grouped(view.books.supply_changes, lambda each: each.meter_id)
    for meter_id, changes in of_meter.items():
        platform = view.meter[meter_id].credit_authority is CreditAuthority.PLATFORM
        begun: datetime | None = None  # of the stages before the change
        for change in sorted(changes, key=lambda each: each.at):
            cut = change.reason == Reason.OUT_OF_CREDIT.value and change.was_closed
            if cut and change not in judged:
                yield _cut_too_soon(view, change, begun=begun or change.at, platform=platform)
            if change.reason not in _STAGES:
                begun = None
            elif begun is None:
                begun = change.at


def _cut_too_soon(view: View, change: SupplyChange, *, begun: datetime, platform: bool) -> str | None:
    account, policy = view.account[change.account_id], view.policy_of(change.account_id)
    if is_friendly(policy, zone_of(account.zone), change.at):
        return f"meter {change.meter_id} was cut at {change.at}, in friendly hours"
    if not platform:
        return None
    if change.at < begun + timedelta(minutes=policy.last_chance_min) - CLOCKS_APART_MAX:
        return f"meter {change.meter_id} was cut at {change.at}, and its last chance began at {begun}"
    read_at = change.read_at or datetime.min.replace(tzinfo=UTC)
    fresh = read_at >= min(begun, change.at - LOOK_AGE_MAX) - CLOCKS_APART_MAX
    waited = change.at >= begun + LOOK_WAIT_MAX - CLOCKS_APART_MAX
    return unless(
        fresh or waited, f"meter {change.meter_id} was cut at {change.at} on a reading of {read_at}"
    )


def s1_settled(view: View) -> Iterator[str | None]:
    """S1 In credit and no hold: supply is on."""
    for account, meter, fact in view.metered():
        held = bool(view.holds_at(meter.meter_id, view.now) & FORBIDDING) or fact.relay_stuck
        lit = fact.relay is Relay.CLOSED or held or _balance_minor(view, account, fact) <= 0
        yield unless(lit, f"meter {meter.meter_no} is in credit, and its relay is {fact.relay.value}")


def s2(view: View) -> Iterator[str | None]:
    """S2 Emergency credit keeps supply on while it is taken, and neither spent nor repaid."""
    taken = grouped(view.books.emergencies, lambda each: each.account_id)
    for change in view.books.supply_changes:
        if change.reason == Reason.EMERGENCY_CREDIT.value:
            open_then = any(
                each.taken_at <= change.at
                and change.at <= min(each.spent_at or change.at, each.repaid_at or change.at)
                for each in taken[change.account_id]
            )
            yield unless(
                open_then, f"account {change.account_id} has no emergency credit left at {change.at}"
            )


def s2_settled(view: View) -> Iterator[str | None]:
    """S2 Out of credit: supply is off, except by a named exception."""
    for account, meter, fact in view.metered():
        balance_minor = _balance_minor(view, account, fact)
        excepted = bool(view.holds_at(meter.meter_id, view.now) - FORBIDDING) or fact.relay_stuck
        excepted = excepted or _is_excepted(view, account, fact, balance_minor=balance_minor)
        # A meter counts finer than a minor unit: at zero it may still have the rest of one.
        out = balance_minor < 0 or (balance_minor == 0 and fact.balance_minor is None)
        dark = fact.relay is not Relay.CLOSED or excepted or not out
        yield unless(dark, f"meter {meter.meter_no} has {balance_minor} and is on")
        register_wh = view.snapshot[meter.meter_id].energy_wh or 0
        for hold in view.holds_of[meter.meter_id]:
            lent = hold.end is None and hold.until_wh is not None
            over = lent and hold.until_wh is not None and register_wh >= hold.until_wh
            yield unless(not over, f"meter {meter.meter_no} is lent supply beyond {hold.until_wh} Wh")


def _is_excepted(view: View, account: Account, fact: MeterFact, *, balance_minor: int) -> bool:
    """Whether emergency credit, friendly hours, a doubt or a stage before the cut keeps supply on."""
    account_id, policy = account.account_id, view.policy_of(account.account_id)
    if balance_minor > -view.emergency_minor(account_id) or is_friendly(
        policy, zone_of(account.zone), view.now
    ):
        return True
    if fact.balance_minor is not None:
        return False
    out_since = view.snapshot[account.meter_id or 0].out_since
    stages = timedelta(minutes=policy.last_chance_min) + max(PAYING_MAX, LOOK_WAIT_MAX)
    is_near = out_since is not None and view.snapshot[account.meter_id or 0].wanted_closed is not False
    return view.holdings[account_id].billing_held or (
        is_near and out_since is not None and view.now < out_since + stages
    )


def s3(view: View) -> Iterator[str | None]:
    """S3 A recharge never lifts a safety hold, an overload lock, an administrator's hold or a vacancy."""
    for _, meter, fact in view.metered():
        for at in fact.switched_on:
            long_held = [
                hold
                for hold in view.holds_of[meter.meter_id]
                if hold.kind in FORBIDDING
                and hold.start + ON_ITS_WAY <= at
                and (hold.end is None or at < hold.end - CLOCKS_APART_MAX)
            ]
            yield unless(not long_held, f"meter {meter.meter_no} was switched on at {at} under a hold")


def s3_settled(view: View) -> Iterator[str | None]:
    """S3 Under a hold supply is off."""
    for _, meter, fact in view.metered():
        held = bool(view.holds_at(meter.meter_id, view.now) & FORBIDDING)
        dark = fact.relay is not Relay.CLOSED or fact.relay_stuck or not held
        yield unless(dark, f"meter {meter.meter_no} is held, and on")


def s4(view: View) -> Iterator[str | None]:
    """S4 A later wish replaces an earlier one that still waits; recharges are never superseded."""
    limits: Counter[int] = Counter()
    for each in view.books.instructions:
        if each.kind is Kind.RECHARGE:
            fine = each.state is not State.SUPERSEDED
            yield unless(fine, f"purchase {each.purchase_no} of meter {each.meter_id} was superseded")
        elif each.kind is Kind.SWITCH and each.state is State.WAITING:
            yield unless(
                _is_wanted(view, each),
                f"meter {each.meter_id}: closed={each.relay_closed} kept={each.kept} waits unwanted",
            )
        elif each.kind is Kind.LIMITS and each.state is State.WAITING:
            limits[each.meter_id] += 1
    for meter_id, waiting in limits.items():
        yield unless(waiting == 1, f"meter {meter_id}: {waiting} limits wait, and only the last is wanted")


def _is_wanted(view: View, switch: Instruction) -> bool:
    snapshot = view.snapshot[switch.meter_id]
    release = switch.relay_closed is True and not switch.kept and snapshot.wanted_reason in _METERS_OWN
    if release and view.meter[switch.meter_id].credit_authority is CreditAuthority.METER:
        return True
    return (switch.relay_closed, switch.kept) == (snapshot.wanted_closed, snapshot.wanted_kept)


def _balance_minor(view: View, account: Account, fact: MeterFact) -> int:
    held_minor = view.holdings[account.account_id].delivered_minor
    return held_minor if fact.balance_minor is None else fact.balance_minor

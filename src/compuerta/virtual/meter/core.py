"""The meter without its protocol: energy, money, relay and clock, moved forward by `advance(to_ms=...)`.

Time passes in stretches of constant load and price. Each stretch ends exactly where something happens
(an hour, a new slot, a new step, the unit that uses the money up), found by integer arithmetic and not by
ticking: one advance of a month and a million small ones leave the same meter. A unit that is complete at the
very end of a stretch belongs to it, so that registers read at the edge of a slot tell the use before it.
"""

from dataclasses import replace

from compuerta.domain.errors import Broken
from compuerta.domain.party import CreditAuthority
from compuerta.drivers.abilities import MeterEvent, Relay
from compuerta.virtual.meter.clock import CivilClock, civil_from_ms
from compuerta.virtual.meter.load import HOUR_MS, ConstantLoad
from compuerta.virtual.meter.orders import OpenReason, Restore, Trip
from compuerta.virtual.meter.purse import Purse
from compuerta.virtual.meter.records import (
    NO_OPERATOR,
    Credited,
    Freeze,
    HourlyFreeze,
    Purchase,
    Records,
    Switching,
)
from compuerta.virtual.meter.registers import BALANCE_MINOR_MAX, WH_PER_UNIT, Registers
from compuerta.virtual.meter.setup import DIRECT_CLOSE, Limits, MeterSetup
from compuerta.virtual.meter.tables import flat_tables
from compuerta.virtual.meter.tariff import TableKind, Tariff, TariffSegment
from compuerta.virtual.meter.wiring import Phase, Wiring, phases_of

MINUTE_MS = 60_000
# Ten years of hours, slots and steps; more in one advance means that time stands still.
STRETCHES_PER_ADVANCE_MAX = 10 * 366 * 48


class TimeStandsStill(Broken):
    """An advance did not arrive within its bound, or was asked to go backwards."""

    def __init__(self, *, now_ms: int, to_ms: int) -> None:
        super().__init__(f"virtual meter at {now_ms} ms cannot reach {to_ms} ms")
        self.now_ms = now_ms
        self.to_ms = to_ms


class MeterCore:
    """Will measure, charge, warn, trip and close as a prepaid meter does; the one owner of its state."""

    def __init__(self, setup: MeterSetup, *, now_ms: int) -> None:
        self.setup = setup
        self.meter_no = setup.meter_no
        self.now_ms = now_ms
        self.clock = CivilClock(
            now_ms=now_ms, civil_ms=now_ms + setup.civil_offset_ms, drift_ppm=setup.drift_ppm
        )
        self.tariff = Tariff(setup.tariff or flat_tables(price_e4=setup.price_e4))
        self.exchange_counter(energy_wh=setup.energy_wh)
        self.purse: Purse | None = None
        if setup.credit_authority is CreditAuthority.METER:
            self.purse = Purse(paid_minor=setup.balance_minor)
        self.purchase_no = setup.purchase_no
        self.purchased_minor = 0
        self.customer_no = setup.customer_no
        self.limits = setup.limits
        self.run_feature_word = setup.run_feature_word
        self.load = setup.load
        self.records = Records()

        self.wish = Relay.CLOSED
        self.open_reason = OpenReason.NONE
        self.contact_closed = True
        self.keep_power = False
        self.alarm_ordered = False
        self.powered = True
        self.stuck_relay = False
        self.cover_open = False
        self.terminal_cover_open = False
        self.magnet = False
        self.sound_wiring = Wiring(voltages_dv=(setup.voltage_dv,) * setup.phases)
        self.wiring = self.sound_wiring
        self.programming_key = False
        self.identity_until_ms = 0  # until then the keeper of the keys may recharge

        self._seen_civil_ms = self.civil_ms  # what the clock came to before has been frozen and settled
        self._reminded = False
        self._trip: Trip | None = None  # ordered, not yet done
        self._restore: Restore | None = None  # what will end the trip that was done
        self._overload_since_ms: int | None = None
        self._settle()

    # What the meter shows.

    @property
    def civil_ms(self) -> int:
        """What the clock shows now."""
        return self.clock.civil_at(self.now_ms)

    @property
    def energy_wh(self) -> int:
        """The forward active energy register: whole units of 0.01 kWh, in watt-hours."""
        return self.registers.energy_wh

    @property
    def balance_minor(self) -> int | None:
        """Remaining money minus overdraft; None = this meter holds no money."""
        return None if self.purse is None else self.purse.balance_minor

    @property
    def relay(self) -> Relay:
        """The relay as word 3 would tell it: the contact first, then what it waits for."""
        if self.contact_closed:
            return Relay.CLOSED
        return Relay.PERMITTED if self.wish is Relay.PERMITTED else Relay.OPEN

    @property
    def power_w(self) -> int:
        """The power that is measured now, over all phases; negative = it runs backwards."""
        return self._measured_w(self.load_w)

    @property
    def load_w(self) -> int:
        """The power that is drawn now, whatever the meter sees of it."""
        if not (self.contact_closed and self.powered):
            return 0
        return self.load.at(self.civil_ms).power_w

    @property
    def phases(self) -> tuple[Phase, ...]:
        """What each phase measures now, at power factor one."""
        return phases_of(self.wiring, load_w=self.load_w, nominal_dv=self.setup.voltage_dv)

    @property
    def current_ma(self) -> int:
        """The current of the phase that carries most, in whatever direction."""
        if self.wiring is self.sound_wiring and self.setup.phases == 1:
            return self.load_w * 10_000 // self.setup.voltage_dv
        return max(abs(phase.current_ma) for phase in self.phases)

    @property
    def is_overloaded(self) -> bool:
        """Whether more power flows than the limit, for however short a time."""
        return 0 < self.limits.power_w_max < self.power_w

    @property
    def may_close(self) -> bool:
        """Whether there is money to close for; under power keeping a meter does not look at it."""
        return self.keep_power or not self.out_of_money

    @property
    def price(self) -> TariffSegment:
        """The rate and the price of the next unit, as things stand."""
        return self.tariff.at(self.civil_ms, used_wh=self.registers.window_wh)

    @property
    def rates_wh(self) -> tuple[int, ...]:
        """The registers of the rates; they add up to the total."""
        return self.registers.rates_wh(rates=self.tariff.rates_shown)

    @property
    def identity_is_valid(self) -> bool:
        """Whether the keeper of the keys has shown who it is, and that has not expired."""
        return self.now_ms < self.identity_until_ms

    @property
    def trip_is_delayed(self) -> bool:
        """Whether a remote trip was accepted and has not happened yet."""
        return self._trip is not None

    @property
    def pre_trip_alarm(self) -> bool:
        """Whether the balance is at or below alarm amount 1."""
        return self.purse is not None and self.purse.is_down_to(self.limits.alarm_1_minor)

    @property
    def out_of_money(self) -> bool:
        """Whether the balance and the overdraft are used up, exactly; a meter without money never is."""
        return self.purse is not None and self.purse.is_down_to(-self.limits.overdraft_minor)

    # Time.

    def advance(self, *, to_ms: int) -> None:
        """Let the world go on until `to_ms`; refuses to go backwards."""
        if to_ms < self.now_ms:
            raise TimeStandsStill(now_ms=self.now_ms, to_ms=to_ms)
        for _ in range(STRETCHES_PER_ADVANCE_MAX):
            if self.now_ms == to_ms:
                return
            price = self.price
            turns_ms = self._turns_ms(price)
            until_ms = min([to_ms, *(at_ms for at_ms in turns_ms if at_ms > self.now_ms)])
            self._flow(until_ms - self.now_ms, price)
            self.now_ms = until_ms
            self._settle()
        raise TimeStandsStill(now_ms=self.now_ms, to_ms=to_ms)

    def _measured_w(self, load_w: int) -> int:
        if self.wiring is self.sound_wiring:
            return load_w
        phases = phases_of(self.wiring, load_w=load_w, nominal_dv=self.setup.voltage_dv)
        return sum(phase.power_w for phase in phases)

    def _flow(self, span_ms: int, price: TariffSegment) -> None:
        power_w = self.power_w
        if power_w < 0:
            self.registers.flow_back(-power_w * span_ms, rate=price.rate)
            return
        units = self.registers.flow(power_w * span_ms, rate=price.rate)
        if self.purse is not None:
            self.purse.use(units=units, price_e4=price.price_e4)

    def _turns_ms(self, price: TariffSegment) -> list[int]:
        """List the instants at which the present stretch may end; what has passed already does no harm."""
        civil_ms = self.civil_ms
        # Whatever the calendar brings, freezes and settlements, it brings at a whole hour.
        hour_ends_ms = (civil_ms // HOUR_MS + 1) * HOUR_MS
        turns_ms = [self.clock.first_ms_at(min(hour_ends_ms, price.until_civil_ms))]
        if self._restore is not None:
            turns_ms.append(self._restore.due_ms)
        if self._trip is not None:
            turns_ms += [self._trip.due_ms, self._trip.due_ms + self.limits.protection_min * MINUTE_MS]
        if self._overload_since_ms is not None:
            turns_ms.append(self._overload_since_ms + self.limits.overload_min * MINUTE_MS)
        if self.contact_closed and self.powered:
            turns_ms += self._turns_of_use_ms(civil_ms, price)
        return turns_ms

    def _turns_of_use_ms(self, civil_ms: int, price: TariffSegment) -> list[int]:
        load = self.load.at(civil_ms)
        turns_ms = [] if load.until_civil_ms is None else [self.clock.first_ms_at(load.until_civil_ms)]
        power_w = self._measured_w(load.power_w)
        if power_w <= 0:
            return turns_ms
        units: list[int | None] = []
        if price.until_used_wh is not None:
            units.append((price.until_used_wh - self.registers.window_wh) // WH_PER_UNIT)
        if self.purse is not None:
            for amount_minor in (-self.limits.overdraft_minor, self.limits.alarm_2_minor):
                units.append(self.purse.units_down_to(amount_minor, price_e4=price.price_e4))
        return turns_ms + [
            self.now_ms + self.registers.ms_until(count, power_w=power_w)
            for count in units
            if count is not None
        ]

    # What happens at an instant.

    def _settle(self) -> None:
        """Do what is due now, in the order in which a meter's firmware looks at it."""
        self._follow_the_clock()
        if self.powered:
            self._restore_if_due()
            self._trip_if_due()
            self._trip_if_overloaded()
            self._trip_if_out_of_money()
            self._follow(NO_OPERATOR)
        else:
            self._overload_since_ms = None
        self._watch()

    def _follow_the_clock(self) -> None:
        """Switch, settle and freeze what the clock has come to; each once, however far it was set.

        Without mains the days are still frozen and settled, as a meter makes up for them; its hours are
        lost, and tables change places when the mains are back.
        """
        settled = self._change_tables_over() if self.powered else False
        seen_ms, civil_ms = self._seen_civil_ms, self.civil_ms
        hour_begins = civil_ms // HOUR_MS > seen_ms // HOUR_MS
        if not (hour_begins or settled):
            return
        self._seen_civil_ms = civil_ms
        frozen = self.freeze()
        if hour_begins and self.powered:
            hourly = HourlyFreeze(civil_ms=civil_ms, energy_wh=frozen.energy_wh)
            self.records.hourly_freezes.appendleft(hourly)
        before = civil_from_ms(seen_ms)
        if before.date() < frozen.at.date():
            self.records.daily_freezes.appendleft(frozen)
        settled = settled or self.tariff.ladder.running.next_settlement_ms(seen_ms) <= civil_ms
        month_begins = (before.year, before.month) < (frozen.at.year, frozen.at.month)
        ended = (
            (settled, self.registers.window),
            (month_begins, self.registers.month),
            (before.year < frozen.at.year, self.registers.year),
        )
        for has_ended, period in ended:
            if has_ended:
                period.end(units=self.registers.units)
        if settled or month_begins:
            self.records.settlements.appendleft(frozen)

    def _change_tables_over(self) -> bool:
        """Let sets change places whose time has come; tells whether that ends the window of the steps."""
        before = self.tariff.ladder.running
        switched = self.tariff.switch_if_due(self.civil_ms)
        for kind in switched:
            self.records.switch_freezes[kind].appendleft(self.freeze())
        if TableKind.LADDER not in switched:
            return False
        # From months to days of the year, or back, is a settlement. One that is due by the old ladder
        # at this very instant is not lost either.
        kind_changes = before.is_annual != self.tariff.ladder.running.is_annual
        return kind_changes or before.next_settlement_ms(self._seen_civil_ms) <= self.civil_ms

    def _restore_if_due(self) -> None:
        restore = self._restore
        if restore is None or self.now_ms < restore.due_ms:
            return
        self._restore = None
        if not self.may_close:
            return
        if restore.relay is Relay.CLOSED:
            self.close(operator=restore.operator)
        else:
            self.permit(operator=restore.operator)

    def _trip_if_due(self) -> None:
        trip = self._trip
        if trip is None or self.now_ms < trip.due_ms:
            return
        protected_until_ms = trip.due_ms + self.limits.protection_min * MINUTE_MS
        too_much_flows = 0 < self.limits.protected_current_ma < self.current_ma
        if too_much_flows and self.now_ms < protected_until_ms:
            return
        self._open(OpenReason.REMOTE, trip.operator)
        if trip.restore_min:
            due_ms = self.now_ms + trip.restore_min * MINUTE_MS
            self._restore = Restore(due_ms=due_ms, relay=trip.restore_to, operator=trip.operator)

    def _trip_if_overloaded(self) -> None:
        if not self.is_overloaded:
            self._overload_since_ms = None
            return
        if self._overload_since_ms is None:
            self._overload_since_ms = self.now_ms
        if self.now_ms >= self._overload_since_ms + self.limits.overload_min * MINUTE_MS:
            # Counted before the trip, after which nothing flows: the count is what tells the reason.
            seen = self.records.going_on | {MeterEvent.OVERLOAD}
            self.records.watch(seen, at=civil_from_ms(self.civil_ms), energy_wh=self.energy_wh)
            if not self.keep_power:
                self._overload_since_ms = None
                self._open(OpenReason.OVERLOAD, NO_OPERATOR)

    def _trip_if_out_of_money(self) -> None:
        if self.purse is None or self.keep_power:
            return
        if self.out_of_money:
            if self.wish is not Relay.OPEN:
                self._open(OpenReason.MONEY, NO_OPERATOR)
            return
        if not self.purse.is_down_to(self.limits.alarm_2_minor):
            self._reminded = False
        elif self.setup.alarm_2_trips and not self._reminded and self.wish is Relay.CLOSED:
            self._reminded = True
            self._open(OpenReason.REMINDER, NO_OPERATOR)

    # The relay.

    def order_trip(self, *, operator: bytes, restore_min: int = 0, restore_to: Relay = Relay.CLOSED) -> None:
        """Accept a remote trip: it happens after the trip delay and the current protection.

        With `restore_min` the meter ends the trip by itself: it closes (1D), or permits closing (1E). A trip
        that waits already is not put off by being ordered again.
        """
        due_ms = self.now_ms + self.limits.trip_delay_min * MINUTE_MS
        self._trip = Trip(
            due_ms=due_ms if self._trip is None else min(self._trip.due_ms, due_ms),
            operator=operator,
            restore_min=restore_min,
            restore_to=restore_to,
        )
        self._settle()

    def permit(self, *, operator: bytes) -> None:
        """Let the user close by pressing the button (1B); a closed relay stays closed."""
        self._forget_orders()
        if not self.contact_closed:
            self.wish = Relay.PERMITTED
        self._follow(operator)

    def close(self, *, operator: bytes) -> None:
        """Close now (1C). Who may ask, and when, is the caller's matter."""
        self._forget_orders()
        self.wish, self.open_reason = Relay.CLOSED, OpenReason.NONE
        self._follow(operator)
        self._settle()  # what flows now may be too much

    def press_button(self) -> None:
        """Hold the button for three seconds: closes what is permitted, a reminder or an overload trip."""
        if not self.powered or not self.may_close:
            return
        restorable = self.open_reason in (OpenReason.REMINDER, OpenReason.OVERLOAD)
        if self.wish is Relay.PERMITTED or (self.wish is Relay.OPEN and restorable):
            self.close(operator=NO_OPERATOR)

    def keep(self, keep_power: bool) -> None:
        """Start (3A) or end (3B) power keeping: under it every trip is ignored, also for money."""
        self.keep_power = keep_power
        if keep_power:
            self._forget_orders()
        self._settle()

    def _open(self, reason: OpenReason, operator: bytes) -> None:
        self._forget_orders()
        self.wish, self.open_reason = Relay.OPEN, reason
        self._follow(operator)

    def _forget_orders(self) -> None:
        self._trip = self._restore = None

    def _follow(self, operator: bytes) -> None:
        """Move the contact to where it is wanted, unless it is stuck, and write down that it moved."""
        wanted_closed = self.wish is Relay.CLOSED
        if self.stuck_relay or not self.powered or self.contact_closed == wanted_closed:
            return
        self.contact_closed = wanted_closed
        switching = Switching(at=civil_from_ms(self.civil_ms), operator=operator, energy_wh=self.energy_wh)
        if wanted_closed:
            self.records.closings.appendleft(switching)
            self.records.counts[MeterEvent.CLOSE] += 1
            self._note_supply_on()
        else:
            self.records.trips.appendleft(switching)
            self.records.counts[MeterEvent.TRIP] += 1

    # Money.

    def would_hoard(self, amount_minor: int) -> bool:
        """Tell whether an amount would lift the balance over the hoarding limit, or out of its register."""
        limit_minor = self.limits.hoarding_minor or BALANCE_MINOR_MAX
        return self.purse is not None and self.purse.balance_minor + amount_minor > limit_minor

    def recharge(self, *, amount_minor: int, purchase_no: int) -> None:
        """Credit an amount that the protocol found right, and restore supply if it was money that lacked."""
        assert self.purse is not None, "a meter without money was recharged"
        self.records.purchases.appendleft(self._pay_in(amount_minor, purchase_no))
        self.records.credited.append(
            Credited(
                purchase_no=purchase_no,
                amount_minor=amount_minor,
                credited_at_ms=self.now_ms,
                closed_at_ms=self.now_ms if self.contact_closed else None,
            )
        )
        for_money = self.open_reason in (OpenReason.MONEY, OpenReason.REMINDER)
        enough = not self.out_of_money and self.purse.balance_minor >= self.limits.permit_minor
        if self.wish is Relay.OPEN and for_money and enough:
            if self.run_feature_word & DIRECT_CLOSE:
                self.close(operator=NO_OPERATOR)
            else:
                self.permit(operator=NO_OPERATOR)
        self._settle()

    def refund(self, *, amount_minor: int, purchase_no: int) -> None:
        """Take an amount back out; the caller has seen that it is there."""
        self.records.refunds.appendleft(self._pay_in(-amount_minor, purchase_no))
        self.records.credited.append(
            Credited(
                purchase_no=purchase_no,
                amount_minor=-amount_minor,
                credited_at_ms=self.now_ms,
                closed_at_ms=self.now_ms,
            )
        )
        self._settle()

    def forget_money(self, amount_minor: int) -> None:
        """Let the money in the meter lose an amount, as a memory does that was hit; its records stay."""
        if self.purse is not None:
            self.purse.pay_in(-amount_minor)
            self._settle()

    def _pay_in(self, amount_minor: int, purchase_no: int) -> Purchase:
        assert self.purse is not None
        before_minor = self.purse.balance_minor
        self.purse.pay_in(amount_minor)
        self.purchased_minor += max(amount_minor, 0)
        self.purchase_no = purchase_no
        return Purchase(
            at=civil_from_ms(self.civil_ms),
            purchase_no=purchase_no,
            amount_minor=abs(amount_minor),
            before_minor=before_minor,
            after_minor=self.purse.balance_minor,
            total_minor=self.purchased_minor,
        )

    def _note_supply_on(self) -> None:
        for index, credited in enumerate(self.records.credited):
            if credited.closed_at_ms is None:
                self.records.credited[index] = replace(credited, closed_at_ms=self.now_ms)

    # People and the world.

    def freeze(self) -> Freeze:
        """Return the registers as they stand now."""
        return Freeze(
            at=civil_from_ms(self.civil_ms),
            energy_wh=self.energy_wh,
            rates_wh=self.rates_wh,
            balance_minor=self.balance_minor,
        )

    def set_clock(self, civil_ms: int) -> None:
        """Set the displayed time: what is jumped over happens now, what is come back to happens again.

        That is so for freezes and settlements; a switch of tables that has happened stays.
        """
        self.clock = self.clock.set_to(civil_ms, now_ms=self.now_ms)
        self._seen_civil_ms = min(self._seen_civil_ms, civil_ms)
        self._settle()

    def clear_registers(self) -> None:
        """Set energy, freezes and events to zero (1AH); the money that is in the meter stays."""
        self.exchange_counter(energy_wh=0)
        kept = self.records
        for ring in (
            kept.daily_freezes,
            kept.instant_freezes,
            kept.settlements,
            *kept.switch_freezes.values(),
        ):
            ring.clear()
        kept.hourly_freezes.clear()
        kept.clear_events()

    def exchange_counter(self, *, energy_wh: int) -> None:
        """Go on from another total, all of it at the present rate; the windows of use begin anew."""
        rate = self.tariff.at(self.civil_ms, used_wh=0).rate
        self.registers = Registers(energy_wh=energy_wh, rate=rate)

    def set_limits(self, limits: Limits) -> None:
        """Change the limits; what they forbid happens at once."""
        self.limits = limits
        self._settle()

    def set_load(self, power_w: int) -> None:
        """Replace the load profile by a constant power."""
        self.load = ConstantLoad(power_w=power_w)
        self._settle()

    def set_power(self, powered: bool) -> None:
        """Cut or restore the mains: everything is remembered, nothing flows and nobody answers meanwhile."""
        if self.powered and not powered:
            self.records.counts[MeterEvent.POWER_DOWN] += 1
        self.powered = powered
        self._settle()

    def set_stuck(self, stuck_relay: bool) -> None:
        """Weld the contact where it is, or free it: it then goes where it was told to."""
        self.stuck_relay = stuck_relay
        self._settle()

    def set_cover(self, cover_open: bool) -> None:
        """Open or shut the cover; each opening is recorded with the registers."""
        self.cover_open = cover_open
        self._settle()

    def set_terminal_cover(self, cover_open: bool) -> None:
        """Open or shut the cover over the terminals."""
        self.terminal_cover_open = cover_open
        self._settle()

    def set_magnet(self, magnet: bool) -> None:
        """Put a strong magnet to the meter, or take it away; it is noticed, and does nothing."""
        self.magnet = magnet
        self._settle()

    def set_wiring(self, wiring: Wiring) -> None:
        """Change how the conductors reach the meter; as they were at first, nothing is wrong with them."""
        self.wiring = self.sound_wiring if wiring == self.sound_wiring else wiring
        self._settle()

    # What is written down while it goes on.

    def _watch(self) -> None:
        """Begin and end the records of what goes on; an overload begins with its judgement alone."""
        seen = self._seen()
        if seen != self.records.going_on:
            self.records.watch(seen, at=civil_from_ms(self.civil_ms), energy_wh=self.energy_wh)

    def _seen(self) -> set[MeterEvent]:
        seen = set()
        if self.cover_open:
            seen.add(MeterEvent.COVER)
        if self.terminal_cover_open:
            seen.add(MeterEvent.TERMINAL_COVER)
        if self.magnet:
            seen.add(MeterEvent.MAGNET)
        if MeterEvent.OVERLOAD in self.records.going_on and self.is_overloaded:
            seen.add(MeterEvent.OVERLOAD)
        if 0 < self.limits.over_current_ma < self.current_ma:
            seen.add(MeterEvent.OVER_CURRENT)
        if self.wish is Relay.OPEN and self.current_ma > 0:
            seen.add(MeterEvent.SWITCH_FAILURE)
        if self.wiring.reversed and any(phase.power_w < 0 for phase in self.phases):
            seen.add(MeterEvent.REVERSE_FLOW)
        return seen

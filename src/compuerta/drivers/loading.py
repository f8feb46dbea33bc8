"""How a tariff gets into a meter: written into the set that does not run, read back, and switched over.

A running set is never written. Everything is read first and only what differs is written, so the same order
can be sent any number of times. The switch times come last, when all else has been read back: a conversation
that breaks off leaves a meter that goes on by its old tariff, whole (DL/T 645-2007 5.2.9).

Rest days, holidays and counts exist only once and hold as soon as they are written. Counts are only raised.
Holidays before the switch stay as they are. Rest days are written when none of those that change lies
between now and the switch; until then the order is told to come again ("rest_days_wait"), after the switch
if need be.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from compuerta.domain.tariff.fitting import REST_TABLE_NO
from compuerta.drivers import tables as registers
from compuerta.drivers.abilities import NOT_SENDABLE, Ending, TariffOrder, TariffPart
from compuerta.drivers.tables import COUNTS, Counts, Part
from compuerta.drivers.talk import CLOCK_OFF_MAX, Asking, Conversation, MeterRefused, Talk
from compuerta.wire import dlt645
from compuerta.wire.dlt645 import ErrBit, fields

# So near to the switch nothing is begun any more: writing takes time, and half a tariff must not run.
SWITCH_AHEAD_MIN = timedelta(minutes=2)
# A meter looks at its switch times once a minute.
SWITCH_DELAY_MAX = timedelta(minutes=2)
# A set that is being written must not take over: an older order's switch is put off as far as can be.
NEVER = datetime(2099, 12, 31, 23, 59)  # noqa: DTZ001 a meter's clock knows no zone
LEVEL_SEALED = 0x99  # PA of class 1: the plain value, and a code over it
_PASSWORD_UNUSED = "000000"
_DAY = timedelta(days=1)
_MIDNIGHT = time()

Entry = tuple[date, int]  # a holiday and its day table


def load_tariff(talk: Talk, order: TariffOrder) -> Conversation:
    """Load the order's tables, or, after the switch, see that the meter runs by them; see `TariffOrder`."""
    if talk.model.tariff is None:
        return talk.result(Ending.REFUSED, "model_takes_no_tables")
    if order.switch_at.second or order.switch_at.microsecond:
        return talk.result(Ending.REFUSED, NOT_SENDABLE)
    loading = _Loading(talk, order, clock=(yield from _right_clock(talk, order.now)))
    yield from loading.raise_counts()
    if loading.is_ahead:
        yield from loading.load_spare()
    else:
        yield from loading.confirm_running()
    if TariffPart.HOLIDAYS in order.parts:
        yield from loading.set_holidays()
    if TariffPart.SETS not in order.parts:
        return talk.result(Ending.DONE)
    may_rest = yield from loading.set_rest_days()
    if loading.is_ahead:
        yield from loading.set_switches()
    if not may_rest:
        return talk.result(Ending.BUSY, "rest_days_wait")
    return talk.result(Ending.DONE, "waits_for_switch" if loading.is_ahead else "")


def _right_clock(talk: Talk, now: datetime) -> Asking[datetime]:
    """Return the meter's clock, set right where it was off: it decides when the tables take over."""
    clock = yield from talk.clock()
    if clock is None or abs(clock - now) > CLOCK_OFF_MAX:
        if not (yield from talk.set_clock(now)):
            raise MeterRefused(ending=Ending.BUSY, reason="clock_not_set")
        clock = now
    return clock


class _Loading:
    """Will carry one order out on one meter; each method is a part of the conversation."""

    def __init__(self, talk: Talk, order: TariffOrder, *, clock: datetime) -> None:
        self.is_ahead = clock < order.switch_at
        self._talk = talk
        self._tables = order.tables
        self._at = order.switch_at
        self._has_sets = TariffPart.SETS in order.parts
        self._clock = clock
        self._counts = Counts()  # the meter's own
        self._rand2: bytes | None = None  # the challenge of the identity that we have shown

    # Counts.

    def raise_counts(self) -> Asking[None]:
        """Read how many entries the tables have, and raise what is too few."""
        needed = registers.counts_of(self._tables)
        names = [name for name in COUNTS if name != "bounds" or self._tables.prices]
        for name in names:
            value = yield from self._read(COUNTS[name][0])
            held = None if value is None else fields.bcd_from(value)
            self._counts = replace(self._counts, **{name: held or 0})
            if name != "holidays":
                yield from self._raise_count(name, count=getattr(needed, name))

    def _raise_count(self, name: str, *, count: int) -> Asking[None]:
        if getattr(self._counts, name) >= count:
            return
        di, length = COUNTS[name]
        yield from self._write_and_see(
            [Part(name="counts", di=di, value=fields.bcd_to(count, length=length))]
        )
        self._counts = replace(self._counts, **{name: count})

    # The two sets.

    def load_spare(self) -> Asking[None]:
        """Write the set that does not run, where it differs, and read all of it back."""
        if not self._has_sets:
            return
        spare = yield from self._parts(running=False)
        differing = yield from self._differing(spare)
        if not differing:
            return
        self._refuse_late()
        yield from self._put_switches_off()
        yield from self._write_all(differing)
        self._refuse_unmet((yield from self._differing(spare)))

    def confirm_running(self) -> Asking[None]:
        """Return when the meter runs by these tables; raise what it is otherwise."""
        if not self._has_sets:
            return
        if not (yield from self._differing((yield from self._parts(running=True)))):
            return
        if self._clock < self._at + SWITCH_DELAY_MAX:
            raise MeterRefused(ending=Ending.BUSY, reason="switch_due")
        raise MeterRefused(ending=Ending.REFUSED, reason="switch_time_passed")

    def set_switches(self) -> Asking[None]:
        """Say when the spare set takes over."""
        switches = registers.switch_parts(self._tables, at=self._at)
        differing = yield from self._differing(switches)
        if differing:
            self._refuse_late()
            yield from self._write_and_see(differing)

    def _put_switches_off(self) -> Asking[None]:
        """Keep the spare set from taking over at an older order's moment while it is being written."""
        for part in registers.switch_parts(self._tables, at=NEVER):
            at = registers.switch_from((yield from self._read(part.di)))
            if at is not None and self._clock < at != NEVER:
                yield from self._write_and_see([part])

    def _parts(self, *, running: bool) -> Asking[list[Part]]:
        word = yield from self._talk.word_3()
        if word is None:
            raise MeterRefused(ending=Ending.REFUSED, reason="status_unreadable")
        parts = registers.calendar_parts(
            self._tables,
            second_zones=word.second_zone_table is running,
            second_day_tables=word.second_time_table is running,
            counts=self._counts,
        )
        if self._tables.prices is not None:
            parts += registers.price_parts(self._tables.prices, running=running, counts=self._counts)
        return parts

    def _refuse_late(self) -> None:
        if self._clock + SWITCH_AHEAD_MIN > self._at:
            raise MeterRefused(ending=Ending.REFUSED, reason="switch_time_passed")

    # What exists only once.

    def set_rest_days(self) -> Asking[bool]:
        """Set the weekend word and its table; False where that would change a day before the switch."""
        wanted = self._tables.rest_days
        word = yield from self._read(registers.DI_WEEKEND_WORD)
        if word is None and not wanted:
            return True  # this meter knows no rest days
        parts = [
            Part(
                name="rest_days",
                di=registers.DI_WEEKEND_WORD,
                value=bytes((registers.weekend_word(wanted),)),
            )
        ]
        held = registers.rest_days_of(fields.binary_from(word or b"\x7f"))
        changed = wanted ^ held
        if wanted:
            rest_table = fields.bcd_to(REST_TABLE_NO, length=1)
            # Before the word: from the first rest day on they have the right table.
            parts.insert(0, Part(name="rest_days", di=registers.DI_REST_TABLE, value=rest_table))
            if (yield from self._read(registers.DI_REST_TABLE)) != rest_table:
                changed = wanted | held
        if self.is_ahead and changed & {day.weekday() for day in self._days_ahead()}:
            return False
        yield from self._write_and_see((yield from self._differing(parts)))
        return True

    def _days_ahead(self) -> Iterator[date]:
        """Yield the days from now on that are rated by the old tariff, no more than a week of them."""
        last = self._at.date() - _DAY if self._at.time() == _MIDNIGHT else self._at.date()
        day = self._clock.date()
        for ahead in range(min((last - day).days + 1, 7)):
            yield day + ahead * _DAY

    def set_holidays(self) -> Asking[None]:
        """Set the holidays from the switch on; those before it stay, and each keeps its place."""
        most = min(self._counts.holidays, registers.HOLIDAYS_MAX)
        held: dict[int, bytes | None] = {}
        for number in range(1, most + 1):
            held[number] = yield from self._read(registers.DI_HOLIDAYS + number)
        wanted = self._places({number: registers.holiday_from(value) for number, value in held.items()})
        if max(wanted, default=0) > self._profile_holidays_max():
            raise MeterRefused(ending=Ending.REFUSED, reason="too_many_holidays")
        yield from self._raise_count("holidays", count=max(wanted, default=0))
        parts = [
            Part(name="holidays", di=registers.DI_HOLIDAYS + number, value=registers.holiday_to(entry))
            for number, entry in wanted.items()
        ]
        yield from self._write_and_see([part for part in parts if held.get(part.di & 0xFF) != part.value])

    def _places(self, held: dict[int, Entry | None]) -> dict[int, Entry | None]:
        """Return what belongs at which place; what may stay as it is is left out."""
        today, switch_day = self._clock.date(), self._at.date()
        missing = {each.on: each.table_no for each in self._tables.holidays if each.on >= today}
        wanted: dict[int, Entry | None] = {}
        free: list[int] = []
        for number, entry in held.items():
            if entry is None or entry[0] < today:
                free.append(number)  # never set, or past
            elif entry[0] < switch_day:
                continue  # of the old tariff, and still to come
            elif missing.get(entry[0]) == entry[1]:
                del missing[entry[0]]
            else:
                wanted[number] = None
        places = [*wanted, *free, *range(len(held) + 1, len(held) + 1 + len(missing))]
        wanted |= dict(zip(places, sorted(missing.items()), strict=False))
        return wanted

    def _profile_holidays_max(self) -> int:
        profile = self._talk.model.tariff
        return 0 if profile is None else profile.holidays_max

    # Registers.

    def _differing(self, parts: Iterable[Part]) -> Asking[list[Part]]:
        differing = []
        for part in parts:
            if not part.is_met((yield from self._read(part.di))):
                differing.append(part)
        return differing

    def _write_and_see(self, parts: Sequence[Part]) -> Asking[None]:
        yield from self._write_all(parts)
        self._refuse_unmet((yield from self._differing(parts)))

    def _refuse_unmet(self, parts: Sequence[Part]) -> None:
        if parts:
            raise MeterRefused(ending=Ending.ACCEPTED, reason=f"{parts[0].name}_not_read_back")

    def _write_all(self, parts: Iterable[Part]) -> Asking[None]:
        for part in parts:
            yield from (self._write_sealed(part) if part.is_sealed else self._write_open(part))

    def _read(self, di: int) -> Asking[bytes | None]:
        """Return a register's bytes; None where the meter has no such register."""
        answer = yield from self._talk.ask(dlt645.ReadRegister(di=di))
        return answer.payload if isinstance(answer, dlt645.RegisterAnswer) else None

    def _write_open(self, part: Part) -> Asking[None]:
        try:
            yield from self._talk.write(part.di, part.value)
        except MeterRefused as refused:
            if refused.reason == "refused_by_meter":
                raise _refusal_of(part) from refused
            raise

    def _write_sealed(self, part: Part) -> Asking[None]:
        """Write a parameter of class 1 under an identity, and once more where the identity had run out."""
        is_fresh = self._rand2 is None
        answer = yield from self._seal_and_send(part)
        if not is_fresh and _is_unauthorised(answer):
            self._rand2 = None
            answer = yield from self._seal_and_send(part)
        if _is_unauthorised(answer):
            raise MeterRefused(ending=Ending.REFUSED, reason="identity_refused")
        if not isinstance(answer, dlt645.Acknowledged):
            raise _refusal_of(part)

    def _seal_and_send(self, part: Part) -> Asking[dlt645.Answer]:
        talk = self._talk
        if self._rand2 is None:
            self._rand2 = yield from talk.identify()
        code = talk.mac.mac(talk.meter.meter_no, rand2=self._rand2, payload=part.value)
        return (
            yield from talk.ask(
                dlt645.WriteRegister(
                    di=part.di,
                    password_level=LEVEL_SEALED,
                    password=_PASSWORD_UNUSED,
                    operator=talk.meter.operator,
                    value=part.value + code,
                )
            )
        )


def _is_unauthorised(answer: dlt645.Answer) -> bool:
    return isinstance(answer, dlt645.ErrorAnswer) and ErrBit.NOT_AUTHORISED in answer.err


def _refusal_of(part: Part) -> MeterRefused:
    return MeterRefused(ending=Ending.REFUSED, reason=f"{part.name}_refused")

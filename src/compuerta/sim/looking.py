"""Looking: the books in memory and the facts of the town, for the promises' checks."""

from dataclasses import replace
from datetime import datetime, timedelta

from compuerta.adapters.memory import MemoryStore
from compuerta.services import promises
from compuerta.services.promises import Books, MeterFact, Purchase, World
from compuerta.sim.roads import House
from compuerta.sim.stage import START, START_MS
from compuerta.sim.town import Town

# Rows of most promises stay: what an instant would have shown is there at the next look too.
COMMITS_PER_LOOK = 60


class PromiseBroken(Exception):
    """A promise does not hold."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


class Inspector:
    """Will look at a town after every commit at what may pass, and now and then at everything."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._before: Books | None = None
        town.database.listen(self._committed)

    def look(self, *, settled: bool = False) -> None:
        """Check everything; raises `PromiseBroken`."""
        town = self._town
        books = books_of(town.database.store, now=town.stage.now())
        verdicts = promises.check(
            books, facts_of(town), now=town.stage.now(), settled=settled, before=self._before
        )
        self._before = books
        _raise_if(promises.broken(verdicts))

    def look_who_is_heard(self, *, since_ms: int) -> None:
        """Check that a road that allows it is used: every meter has been heard since an instant (S1)."""
        tables = self._town.database.store.tables
        since = START + timedelta(milliseconds=since_ms - START_MS)
        unheard = [
            tables.meters[each.meter_id].meter_no
            for each in tables.snapshots.values()
            if each.meter_id in tables.account_of_meter and (each.heard_at is None or each.heard_at < since)
        ]
        _raise_if([f"S1: meter {meter_no} can be reached, and is not heard" for meter_no in unheard])

    def _committed(self) -> None:
        database = self._town.database
        self._town.incidents.look()
        tables = database.store.tables
        if database.commits % COMMITS_PER_LOOK == 0:
            self.look()
            return
        waiting = tuple(each for each in tables.instructions.values() if each.ended_at is None)
        if waiting:
            passing = Books(
                meters=tuple(tables.meters.values()),
                snapshots=tuple(tables.snapshots.values()),
                instructions=waiting,
            )
            _raise_if(promises.broken(promises.check_passing(passing)))


def books_of(store: MemoryStore, *, now: datetime) -> Books:
    """Return a copy of what the database in memory holds."""
    tables = store.tables
    return Books(
        accounts=tuple(tables.accounts.values()),
        meters=tuple(tables.meters.values()),
        attempts=tuple(tables.attempts.values()),
        payments=tuple(tables.payments.values()),
        postings=tuple(tables.postings.values()),
        recharges=tuple(tables.recharges.values()),
        recharge_lines=tuple(line for lines in tables.recharge_lines.values() for line in lines),
        debts=tuple(tables.debts.values()),
        corrections=tuple(tables.corrections.values()),
        refunds=tuple(tables.refunds.values()),
        disputes=tuple(tables.disputes.values()),
        instants=tuple(tables.instants.values()),
        charges=tuple(tables.charges.values()),
        instructions=tuple(tables.instructions.values()),
        holdings=tuple(tables.holdings.values()),
        snapshots=tuple(tables.snapshots.values()),
        holds=tuple(tables.holds.values()),
        cases=tuple(tables.cases.values()),
        bills=tuple(tables.bills.values()),
        load_days=tuple(tables.load_days.values()),
        adjustments=tuple(tables.adjustments.values()),
        billed_by=store.billed_by(now=now),
        emergencies=tuple(tables.emergencies.values()),
        warnings=tuple(tables.warnings),
        supply_changes=tuple(tables.supply_changes),
        alarms=tuple(tables.meter_alarms.values()),
        site_days=tuple(tables.site_days.values()),
        freezes=tuple(tables.freezes.values()),
        account_days=tuple(tables.account_days.values()),
        messages=tuple(tables.messages.values()),
        policies={key: tables.policy_of(account) for key, account in tables.accounts.items()},
    )


def facts_of(town: Town) -> World:
    """Ask the meters and the provider themselves."""
    return World(
        meters=tuple(
            replace(_meter_fact(house), felt=town.incidents.felt(house)) for house in town.houses.values()
        ),
        provider=(*(fact for each in town.providers for fact in each.facts()), *town.cashier.facts),
        holds={} if town.lies else {each.name: each.holds_minor for each in town.providers},
        letters=town.carriers.facts(),
    )


def _meter_fact(house: House) -> MeterFact:
    core = house.now().core
    return MeterFact(
        meter_no=house.meter_no,
        relay=core.relay,
        energy_wh=core.energy_wh,
        balance_minor=core.balance_minor,
        credited=tuple(
            Purchase(
                purchase_no=each.purchase_no,
                amount_minor=each.amount_minor,
                at=START + timedelta(milliseconds=each.credited_at_ms - START_MS),
            )
            for each in core.records.credited
        ),
        switched_on=tuple(START + timedelta(milliseconds=ms - START_MS) for ms in house.switched_on_ms),
        relay_stuck=core.stuck_relay,
        ran_backwards=house.ran_backwards,
        # The newest is first: of a midnight that came twice, the second counts.
        midnights={
            each.at.replace(second=0, microsecond=0): each.energy_wh
            for each in reversed(core.records.daily_freezes)
        },
    )


def _raise_if(lines: list[str]) -> None:
    if lines:
        raise PromiseBroken(lines)

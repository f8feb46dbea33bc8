"""Banks' statements in both stores: taken once, tied where it is plain, and listed where it is not."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.contract.conftest import PostgresShelf, Shelf
from tests.contract.test_funds import FEE, PAYMENT, PAYOUT, funded
from tests.contract.test_statements import DAY, a_line, taken
from tests.contract.test_tills import TILL, a_till, opened
from tests.unit.services.town import NOON, WECHAT, Town, a_town, an_id, paid

from compuerta.adapters.postgres.store import PostgresStore
from compuerta.domain.ledger import BANK, SAFE, cash
from compuerta.services import banking, shifts, tying
from compuerta.services.acting import Actor, ReasonMissing
from compuerta.services.bank_port import BankAccount, BankEntry, EntryKey, Target, TargetKind
from compuerta.services.bank_sheet import BalancesDiffer, BankSheet, Judged, Overlaps, SheetEntry, Standing
from compuerta.services.banking import AccountDiffers, AccountExists, AccountUnknown, Import, StatementAhead
from compuerta.services.shift_port import MovementKind
from compuerta.services.shifts import Taking
from compuerta.services.tying import EntryUnknown, OwnTie, SumDiffers, TargetUnknown, Tying

ANA = Actor(who="ana", why="the slip says so", origin="console")
BEA = Actor(who="bea", why="seen", origin="console")
ACCOUNT = BankAccount(
    bank_account_id=an_id("bank"), organisation_id=1, name="Main", number="GB33BUKB2020", currency="CNY"
)
ARRIVED = SheetEntry(DAY + timedelta(days=1), 4_970, "p00001", "WeChat")
OTHER = SheetEntry(DAY + timedelta(days=2), -100, "", "fee")


@contextmanager
def closing_stores(url: str) -> Iterator[tuple[PostgresStore, PostgresStore]]:
    one, other = PostgresStore(url), PostgresStore(url)
    try:
        yield one, other
    finally:
        one.shut()
        other.shut()


@pytest.fixture
def town(shelf: Shelf) -> Town:
    return furnished(shelf)


def furnished(shelf: Shelf) -> Town:
    """Return a town whose provider has paid out 49.70, with a till, and an account at a bank."""
    town = a_town(shelf.store)
    paid(shelf.store, town.homes[0])
    taken(shelf, [a_line()])
    funded(shelf, [PAYMENT, FEE, PAYOUT])
    a_till(shelf.store, town)
    banking.open_account(
        shelf.store, replace(ACCOUNT, number="gb33 bukb 2020"), actor=ANA, act_id=an_id("open"), now=NOON
    )
    return town


def a_sheet(*entries: SheetEntry, opening_minor: int = 10_000, **changes: object) -> BankSheet:
    days = [each.booked_on for each in entries] or [DAY]
    sheet = BankSheet(
        number="GB33 BUKB 2020",
        currency="CNY",
        starts_on=min(days),
        ends_on=max(days),
        opening_minor=opening_minor,
        closing_minor=opening_minor + sum(each.amount_minor for each in entries),
        entries=tuple(entries),
    )
    return replace(sheet, **changes)  # type: ignore[arg-type]  # each field is given by its name


def took(shelf: Shelf, *sheets: BankSheet, organisation_id: int = 1) -> list[Judged]:
    wanted = Import(
        bank_account_id=ACCOUNT.bank_account_id, organisation_id=organisation_id, sheets=tuple(sheets)
    )
    return banking.take(shelf.store, wanted, actor=ANA, act_id=an_id(repr(sheets)), now=NOON)


def untied(shelf: Shelf) -> list[BankEntry]:
    with shelf.store.transaction() as tx:
        return [entry for entry, _ in tx.bank.untied(1, limit=100)]


def targets(shelf: Shelf) -> list[Target]:
    with shelf.store.transaction() as tx:
        return tx.bank.targets(1, limit=100)


def key_of(entry: BankEntry) -> EntryKey:
    return EntryKey(entry.bank_account_id, entry.entry_id)


def test_a_payout_that_arrives_is_tied_by_itself_and_the_rest_is_listed(shelf: Shelf, town: Town) -> None:
    (judged,) = took(shelf, a_sheet(ARRIVED, OTHER))

    assert (judged.standing, len(judged.new), judged.gap_minor) == (Standing.NEW, 2, 0)
    assert [each.amount_minor for each in untied(shelf)] == [-100]
    assert targets(shelf) == []
    assert (shelf.booked_minor(BANK), shelf.booked_minor(cash(WECHAT))) == (4_970, 0)
    with shelf.store.transaction() as tx:
        assert tx.bank.untied_until(1, DAY + timedelta(days=1)) == 0
        assert tx.bank.untied_until(1, DAY + timedelta(days=2)) == 1


def test_a_statement_twice_is_absorbed(shelf: Shelf, town: Town) -> None:
    took(shelf, a_sheet(ARRIVED, OTHER))

    (again,) = took(shelf, a_sheet(ARRIVED, OTHER))

    assert (again.standing, again.known) == (Standing.KNOWN, 2)
    assert (shelf.count("bank_statement"), len(untied(shelf))) == (1, 1)


def test_of_a_statement_that_goes_on_only_the_new_entries_are_taken(shelf: Shelf, town: Town) -> None:
    took(shelf, a_sheet(ARRIVED))

    (longer,) = took(shelf, a_sheet(ARRIVED, OTHER))

    assert (longer.standing, longer.new, longer.known) == (Standing.LONGER, (OTHER,), 1)
    assert (shelf.count("bank_statement"), len(untied(shelf))) == (2, 1)


@pytest.mark.parametrize(
    "told",
    [
        (ARRIVED._replace(amount_minor=4_000), OTHER),  # altered, sums and all
        (OTHER._replace(booked_on=DAY), ARRIVED, OTHER),  # something new before what was told whole
        (ARRIVED,),  # something that was told is no more
    ],
)
def test_a_statement_that_says_otherwise_of_known_days_is_refused_whole(
    shelf: Shelf, town: Town, told: Sequence[SheetEntry]
) -> None:
    took(shelf, a_sheet(ARRIVED, OTHER))

    with pytest.raises(Overlaps):
        took(shelf, a_sheet(*told, ends_on=OTHER.booked_on))

    assert shelf.count("bank_statement") == 1


def test_an_overlap_whose_balances_do_not_chain_is_refused(shelf: Shelf, town: Town) -> None:
    took(shelf, a_sheet(ARRIVED))

    with pytest.raises(Overlaps):
        took(shelf, a_sheet(ARRIVED, OTHER, opening_minor=20_000))


def test_an_altered_statement_is_refused_by_its_sums(shelf: Shelf, town: Town) -> None:
    with pytest.raises(BalancesDiffer):
        took(shelf, a_sheet(ARRIVED, closing_minor=99))

    assert (shelf.count("bank_statement"), untied(shelf)) == (0, [])


@pytest.mark.parametrize("changes", [{"number": "DE99"}, {"currency": "USD"}])
def test_a_statement_of_another_account_is_refused(
    shelf: Shelf, town: Town, changes: dict[str, object]
) -> None:
    with pytest.raises(AccountDiffers):
        took(shelf, a_sheet(ARRIVED, **changes))


def test_a_statement_of_days_that_have_not_been_is_refused(shelf: Shelf, town: Town) -> None:
    with pytest.raises(StatementAhead):
        took(shelf, replace(a_sheet(ARRIVED), ends_on=date(2999, 1, 1)))

    assert shelf.count("bank_statement") == 0


def test_one_bad_statement_of_a_file_leaves_the_good_one_untaken(shelf: Shelf, town: Town) -> None:
    with pytest.raises(BalancesDiffer):
        took(shelf, a_sheet(ARRIVED), a_sheet(OTHER, closing_minor=1))

    assert shelf.count("bank_statement") == 0


def test_a_preview_says_what_would_be_taken_and_writes_nothing(shelf: Shelf, town: Town) -> None:
    took(shelf, a_sheet(ARRIVED))
    wanted = Import(
        bank_account_id=ACCOUNT.bank_account_id,
        organisation_id=1,
        sheets=(a_sheet(OTHER, opening_minor=20_000),),
    )

    (judged,) = banking.preview(shelf.store, wanted, now=NOON)

    assert (judged.standing, judged.gap_minor) == (Standing.NEW, 20_000 - 14_970)
    assert shelf.count("bank_statement") == 1


def test_another_organisations_account_is_not_there(shelf: Shelf, town: Town) -> None:
    with pytest.raises(AccountUnknown):
        took(shelf, a_sheet(ARRIVED), organisation_id=2)


def test_a_bank_account_is_written_down_once(shelf: Shelf, town: Town) -> None:
    banking.open_account(shelf.store, ACCOUNT, actor=ANA, act_id=an_id("open"), now=NOON)

    with pytest.raises(AccountExists):
        banking.open_account(
            shelf.store,
            replace(ACCOUNT, bank_account_id=an_id("other")),
            actor=ANA,
            act_id=an_id("open 2"),
            now=NOON,
        )

    assert shelf.count("bank_account") == 1


def test_two_entries_that_one_payout_could_answer_wait_for_a_person(shelf: Shelf, town: Town) -> None:
    twin = ARRIVED._replace(reference="", text="transfer")
    took(shelf, a_sheet(twin, twin))
    first, second = untied(shelf)
    (target,) = targets(shelf)

    tying.tie(
        shelf.store,
        Tying(entry=key_of(first), organisation_id=1, targets=(target.key,)),
        actor=ANA,
        act_id=an_id("tie"),
        now=NOON,
    )

    assert (untied(shelf), targets(shelf)) == ([second], [])
    with pytest.raises(TargetUnknown):
        tying.tie(
            shelf.store,
            Tying(entry=key_of(second), organisation_id=1, targets=(target.key,)),
            actor=ANA,
            act_id=an_id("tie 2"),
            now=NOON,
        )


@pytest.mark.postgres
def test_an_entry_that_a_person_ties_meanwhile_is_not_tied_by_itself(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing_stores(postgres_url) as (store, beside):
        shelf = PostgresShelf(store=store, url=postgres_url)
        town = furnished(shelf)
        opened(store, town, till=TILL, float_minor=3_000)
        dropped(shelf, town, 1_000)
        dropped(shelf, town, 1_000, name="drop 2")
        took(shelf, a_sheet(SheetEntry(DAY, 1_000, "", "cash")))
        (entry,) = untied(shelf)
        one, other = (each for each in targets(shelf) if each.key.kind is TargetKind.DEPOSIT)

        def found(*_: object) -> list[tuple[BankEntry, Target]]:
            by_hand = Tying(entry=key_of(entry), organisation_id=1, targets=(one.key,))
            tying.tie(beside, by_hand, actor=ANA, act_id=an_id("1"), now=NOON)
            return [(entry, other)]

        monkeypatch.setattr(tying, "plain_ties", found)
        tying.tie_known(store, organisation_id=1, now=NOON)

        with store.transaction() as tx:
            assert [each.number for each in tx.bank.ties(key_of(entry))] == [one.key.number]


def test_an_entry_far_from_the_day_is_not_tied_by_itself(shelf: Shelf, town: Town) -> None:
    took(shelf, a_sheet(ARRIVED._replace(booked_on=date(2026, 10, 1))))

    assert len(untied(shelf)) == len(targets(shelf)) == 1


def dropped(shelf: Shelf, town: Town, amount_minor: int, *, name: str = "drop") -> None:
    taking = Taking(
        movement_id=an_id(name), organisation_id=1, kind=MovementKind.DROP, amount_minor=amount_minor
    )
    shifts.take_out(shelf.store, taking, actor=ANA, now=NOON)


def test_cash_that_went_to_the_safe_and_then_to_the_bank_is_booked_with_its_tie(
    shelf: Shelf, town: Town
) -> None:
    opened(shelf.store, town, till=TILL, float_minor=3_000)
    dropped(shelf, town, 2_000)
    before = shelf.booked_minor(SAFE)

    took(shelf, a_sheet(SheetEntry(DAY, 2_000, "", "cash")))

    assert (before, shelf.booked_minor(SAFE)) == (-1_000, -3_000)
    assert (shelf.booked_minor(BANK), untied(shelf)) == (4_970 + 2_000, [])
    assert [each.key.kind for each in targets(shelf)] == [TargetKind.PAYOUT]


def test_several_deposits_in_one_entry_are_tied_by_hand_and_booked_by_a_second_person(
    shelf: Shelf, town: Town
) -> None:
    opened(shelf.store, town, till=TILL, float_minor=3_000)
    dropped(shelf, town, 1_000)
    dropped(shelf, town, 500, name="drop 2")
    took(shelf, a_sheet(SheetEntry(DAY, 1_500, "", "cash")))
    (entry,) = untied(shelf)
    deposits = tuple(each.key for each in targets(shelf) if each.key.kind is TargetKind.DEPOSIT)
    wanted = Tying(entry=key_of(entry), organisation_id=1, targets=deposits)
    wrong = replace(wanted, targets=deposits[:1])
    with pytest.raises(SumDiffers):
        tying.tie(shelf.store, wrong, actor=ANA, act_id=an_id("1"), now=NOON)

    tying.tie(shelf.store, wanted, actor=ANA, act_id=an_id("2"), now=NOON)
    before = shelf.booked_minor(BANK)
    with pytest.raises(OwnTie):
        tying.agree(shelf.store, key_of(entry), organisation_id=1, actor=ANA, act_id=an_id("3"), now=NOON)
    tying.agree(shelf.store, key_of(entry), organisation_id=1, actor=BEA, act_id=an_id("4"), now=NOON)

    assert (before, shelf.booked_minor(BANK)) == (4_970, 4_970 + 1_500)


def test_a_tie_that_is_refused_leaves_the_entry_open(shelf: Shelf, town: Town) -> None:
    opened(shelf.store, town, till=TILL, float_minor=3_000)
    dropped(shelf, town, 1_000)
    took(shelf, a_sheet(SheetEntry(date(2026, 10, 1), 1_000, "", "cash")))
    (entry,) = untied(shelf)
    deposits = tuple(each.key for each in targets(shelf) if each.key.kind is TargetKind.DEPOSIT)
    tying.tie(
        shelf.store,
        Tying(entry=key_of(entry), organisation_id=1, targets=deposits),
        actor=ANA,
        act_id=an_id("1"),
        now=NOON,
    )

    tying.refuse(shelf.store, key_of(entry), organisation_id=1, actor=BEA, act_id=an_id("2"), now=NOON)

    assert (untied(shelf), len(targets(shelf))) == ([entry], 2)
    with pytest.raises(EntryUnknown):
        tying.agree(shelf.store, key_of(entry), organisation_id=1, actor=BEA, act_id=an_id("3"), now=NOON)


def test_an_entry_that_nobody_can_tie_becomes_a_case_with_a_reason(shelf: Shelf, town: Town) -> None:
    took(shelf, a_sheet(OTHER))
    (entry,) = untied(shelf)
    before = shelf.count("case_file")
    with pytest.raises(ReasonMissing):
        tying.file(
            shelf.store, key_of(entry), organisation_id=1, actor=replace(ANA, why=" "), act_id=an_id("1"),
            now=NOON,
        )  # fmt: skip

    tying.file(shelf.store, key_of(entry), organisation_id=1, actor=ANA, act_id=an_id("2"), now=NOON)

    assert (untied(shelf), shelf.count("case_file") - before) == ([], 1)
    with pytest.raises(EntryUnknown):
        tying.file(shelf.store, key_of(entry), organisation_id=1, actor=ANA, act_id=an_id("3"), now=NOON)

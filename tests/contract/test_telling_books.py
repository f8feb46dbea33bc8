"""Partners' bookkeeping is told of closed days and months, and of exports, in both stores."""

import json
from datetime import date, timedelta

from tests.contract.test_store_partners import a_webhook, add, due
from tests.unit.services.town import NOON, Town, a_town, paid

from compuerta.services import partnering, telling_books
from compuerta.services.freeze_port import DayStep, SiteDay
from compuerta.services.partner_port import Event
from compuerta.services.store_port import Store

TODAY = date(2026, 11, 22)


def a_day(town: Town, *, version: int = 1) -> SiteDay:
    return SiteDay(
        site_id=town.site_id,
        day=TODAY,
        organisation_id=town.organisation_id,
        zone="Asia/Shanghai",
        currency="CNY",
        starts_at=NOON - timedelta(hours=12),
        ends_at=NOON + timedelta(hours=12),
        step=DayStep.DONE,
        due_at=None,
        version=version,
        meters=3,
        valid=2,
        missing=1,
    )


def said(store: Store) -> list[dict[str, object]]:
    return [json.loads(partnering.body_of(each)) for each in due(store)]


def test_each_closing_of_a_day_is_told_once(store: Store) -> None:
    town = a_town(store)
    add(store, a_webhook(Event.DAY_CLOSED))

    with store.transaction() as tx:
        for version in (1, 1, 2):
            telling_books.closed_day(tx, a_day(town, version=version), now=NOON)

    told = sorted(said(store), key=lambda each: str(each["version"]))
    assert [each["version"] for each in told] == [1, 2]
    assert {name: told[0][name] for name in ("event", "day", "site_id", "missing", "at")} == {
        "event": "day.closed",
        "day": "2026-11-22",
        "site_id": town.site_id,
        "missing": 1,
        "at": "2026-11-22T04:00:00Z",
    }


def test_a_closed_month_and_an_export_are_told_by_their_names(store: Store) -> None:
    town = a_town(store)
    add(store, a_webhook(Event.MONTH_CLOSED, Event.EXPORT_MADE))

    with store.transaction() as tx:
        telling_books.closed_month(tx, town.organisation_id, TODAY.replace(day=1), now=NOON)
        telling_books.made_export(tx, town.organisation_id, 7, now=NOON)

    told = {each["event"]: each for each in said(store)}
    assert told["month.closed"]["month"] == "2026-11"
    assert told["export.made"]["export_no"] == 7
    assert "account_id" not in told["export.made"]


def test_who_did_not_ask_for_books_is_told_of_orders_alone(store: Store) -> None:
    town = a_town(store)
    add(store, a_webhook(Event.PAID))

    with store.transaction() as tx:
        telling_books.made_export(tx, town.organisation_id, 7, now=NOON)
    paid(store, town.homes[0])

    assert [each["event"] for each in said(store)] == ["order.paid"]


def test_another_organisation_hears_nothing_of_these_books(store: Store) -> None:
    a_town(store)
    with store.transaction() as tx:
        theirs = tx.add_organisation("next door")
    add(store, a_webhook(Event.EXPORT_MADE))

    with store.transaction() as tx:
        telling_books.made_export(tx, theirs, 7, now=NOON)

    assert said(store) == []

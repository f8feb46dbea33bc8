"""Who has paid and waits for a meter that sleeps, or is not reached, is told so, in their language."""

from collections.abc import Callable

import psycopg
import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Console
from tests.browser.test_pay_page import ordered, provider_pays

from compuerta.adapters.postgres.store import PostgresStore

pytestmark = [pytest.mark.browser, pytest.mark.postgres, pytest.mark.slow]

Opens = Callable[..., Page]


def test_who_has_paid_is_told_when_a_meter_wakes_and_that_one_is_not_reached(
    visit: Opens, console: Console, store: PostgresStore
) -> None:
    page, flat = visit(phone=True, language="es"), console.flats[9]
    in_chinese = visit(phone=True, language="zh-hans")
    with psycopg.connect(console.database_url) as connection:
        connection.execute(
            """insert into endpoint_state
                (endpoint_id, alive, gateway, changed_at, next_contact_at, lost_reason)
            select endpoint_id, false, 'one', now(), now() + interval '40 minutes', 'asleep' from endpoint
            on conflict (endpoint_id) do update set alive = false,
                next_contact_at = excluded.next_contact_at, lost_reason = 'asleep'"""
        )
    attempt_id = ordered(page, flat, amount="25,50")
    provider_pays(console, store, attempt_id)

    expect(page.get_by_text("El contador duerme para ahorrar energía")).to_be_visible(timeout=6000)
    expect(page.get_by_text("en su próximo contacto (aprox.: ")).to_be_visible()
    in_chinese.goto(f"/p/{flat.pay_token}")
    expect(in_chinese.get_by_text("电表正在休眠省电")).to_be_visible()

    with psycopg.connect(console.database_url) as connection:
        connection.execute("update endpoint_state set next_contact_at = null, lost_reason = 'line_dropped'")
    page.goto(f"/p/{flat.pay_token}")
    expect(page.get_by_text("No hay conexión con el contador desde")).to_be_visible()

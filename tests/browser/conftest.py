"""A real console process on a real database, and a real browser in front of it."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from uuid import UUID

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.browser.building import Flat
from tests.browser.served import PASSWORD
from tests.conftest import url_of

from compuerta.adapters.postgres.store import PostgresStore

START_S_MAX = 60
NOBODY = "nobody"  # who is not signed in
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
LOCALES = {"en": "en-GB", "es": "es-ES", "zh-hans": "zh-CN"}
BROWSER_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Where the console is, and what is in its database."""

    address: str
    database_url: str
    flats: list[Flat]
    other: Flat
    routes: dict[str, str]  # of all screens, by name

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """What a query finds, seen from outside."""
        with closing(psycopg.connect(self.database_url, autocommit=True)) as connection:
            found = connection.execute(statement, values)
            return found.fetchall() if found.description else []

    def age_session(self, key: str, *, by_s: int) -> None:
        """Let the last click of a session have been so long ago."""
        aged = [sys.executable, "-m", "tests.browser.aged", key, str(by_s)]
        subprocess.run(aged, env=_environment(self.database_url), check=True, timeout=START_S_MAX)

    def furnish(self, statement: str, values: dict[str, int]) -> list[tuple[object, ...]]:
        """Write rows that no use case of a test writes, and return what was asked back."""
        with closing(psycopg.connect(self.database_url, autocommit=True)) as connection:
            return connection.execute(statement, values).fetchall()


@pytest.fixture(scope="session")
def console(postgres_server: str, worker_id: str) -> Iterator[Console]:
    """One console per test process; each test has a flat of its own."""
    with a_console(postgres_server, f"console_{worker_id}") as console:
        yield console


@contextmanager
def a_console(postgres_server: str, name: str, *more: str) -> Iterator[Console]:
    """Serve a console on a database of this name; `more` is said to `served` besides."""
    with closing(psycopg.connect(postgres_server, autocommit=True)) as connection:
        connection.execute(f"drop database if exists {name} with (force)")
        connection.execute(f"create database {name}")
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    database_url = url_of(postgres_server, name)
    environment = _environment(database_url)
    served = [sys.executable, "-m", "tests.browser.served", str(port), *more]
    with subprocess.Popen(served, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            building = json.loads(process.stdout.readline())
            _wait_for(port)
            yield Console(
                address=f"http://127.0.0.1:{port}",
                database_url=database_url,
                flats=[_flat(each) for each in building["flats"]],
                other=_flat(building["other"]),
                routes=building["routes"],
            )
        finally:
            process.terminate()
            process.wait(timeout=START_S_MAX)


# Not for the session: as long as it lives, an event loop runs in this thread, and no other test may run one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's browser."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("there is no chromium here; `make peers` brings it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(BROWSER_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, console: Console) -> Iterator[Callable[..., Page]]:
    """Opens windows; each fails its test where it meets an error of ours or asks a stranger for anything."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(*, language: str = "en", phone: bool = False) -> Page:
        context = browser.new_context(
            viewport=PHONE if phone else DESK, locale=LOCALES[language], base_url=console.address
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((console.address, "data:", "blob:"))
                else complaints.append(f"asks a stranger: {request.url}")
            ),
        )
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def signed_in(visit: Callable[..., Page]) -> Callable[..., Page]:
    """Opens a window in which somebody is signed in, and speaks a language."""

    def opened(*, name: str = "ana", language: str = "en", phone: bool = False) -> Page:
        page = visit(language=language, phone=phone)
        page.goto("/sign-in")
        sign_in(page, name=name)
        page.wait_for_url("**/")
        page.locator(f".c-languages button[value='{language}']").click()
        page.wait_for_load_state()
        return page

    return opened


@pytest.fixture
def store(console: Console) -> Iterator[PostgresStore]:
    """A store beside the console's own: the other roles of the program."""
    store = PostgresStore(console.database_url)
    yield store
    store.shut()


def _environment(database_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "COMPUERTA_SECRET_KEY": "a secret that only these tests know, 52 long",
        "DJANGO_SETTINGS_MODULE": "compuerta.apps.console.settings",
        "COMPUERTA_VIRTUAL_METERS": "/nowhere/meters.sock",  # the page is there, and no meter answers
        "PYTHONPATH": "src:.",
    }


def a_window(console: Console, name: str) -> httpx.Client:
    """Return a browser without a face, in which somebody is signed in."""
    window = httpx.Client(base_url=console.address, timeout=20)
    window.get("/sign-in")
    if name != NOBODY:
        sent = {"csrfmiddlewaretoken": window.cookies["csrftoken"], "username": name, "password": PASSWORD}
        assert window.post("/sign-in", data=sent).status_code == 302, name
    return window


def sign_in(page: Page, *, name: str, password: str = PASSWORD) -> None:
    """Fill the sign-in page and send it."""
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    page.keyboard.press("Enter")


def _flat(told: dict[str, object]) -> Flat:
    return Flat(**{**told, "pay_token": UUID(str(told["pay_token"]))})  # type: ignore[arg-type]


def _wait_for(port: int) -> None:
    for _ in range(START_S_MAX * 10):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.1).close()
        except OSError:
            subprocess.run(["sleep", "0.1"], check=True, timeout=5)
        else:
            return
    raise AssertionError("the console did not start")

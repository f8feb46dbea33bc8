"""A screen that breaks is told of in the log; whoever looks at it learns nothing of the inside."""

import json
import os
import subprocess
import sys

import pytest

TOKEN = "b362b7f6-bc90-4f86-b228-628087085e83"
# Nobody listens at this port: the screen meets an error that it does not know.
AWAY = "postgresql://nobody@127.0.0.1:1/none"
VISIT = f"""
import asyncio, django, json, sys
django.setup()
from django.test import AsyncClient
from compuerta.apps.cli import _log_to_stderr
_log_to_stderr()
client = AsyncClient(raise_request_exception=False)
answer = asyncio.run(client.get("/p/{TOKEN}"))
json.dump([answer.status_code, answer.content.decode()], sys.stdout)
"""


@pytest.mark.slow
def test_a_broken_screen_tells_the_log_why_and_its_reader_nothing_of_it() -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": AWAY,
        "COMPUERTA_ALLOWED_HOSTS": "testserver",
        "COMPUERTA_SECRET_KEY": "a secret that only this test knows, 51 characters",
        "DJANGO_SETTINGS_MODULE": "compuerta.apps.console.settings",
        "PYTHONPATH": "src",
    }

    visit = subprocess.run(
        [sys.executable, "-c", VISIT], env=environment, capture_output=True, text=True, check=True, timeout=60
    )

    (line,) = [json.loads(line) for line in visit.stderr.splitlines()]
    assert (line["event"], line["screen"]) == ("console.screen.broken", "pay")
    assert "OperationalError" in line["error"]
    assert TOKEN not in visit.stderr
    status, shown = json.loads(visit.stdout)
    assert status == 500
    assert "Nothing is lost" in shown and "OperationalError" not in shown

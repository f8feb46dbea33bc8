"""Accounts at Stripe and M-Pesa: an entry becomes an account, or is refused by its field."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from tests.unit.payments.wechat_side import NOON, a_chance
from typer.testing import CliRunner

from compuerta.adapters.payments.http import Steps, converse_with
from compuerta.adapters.payments.mpesa import SAFARICOM, MpesaPay
from compuerta.adapters.payments.stripe import StripePay
from compuerta.apps import providers_cli, wiring
from compuerta.apps.entries import EntryMalformed
from compuerta.domain.payment import Flow
from compuerta.services.payment_ports import Check, HttpRequest, NotOffered, PaymentProvider
from compuerta.virtual.mpesa import opening as mpesa
from compuerta.virtual.providers.worlds import World
from compuerta.virtual.stripe import opening as stripe


def an_account(directory: Path, kind: str, **changes: object) -> PaymentProvider:
    opening, name = (stripe, "cards") if kind == "stripe" else (mpesa, "paybill")
    entry = opening.merchant_entry(
        directory / kind,
        name=name,
        base_url=f"http://127.0.0.1:8701/{kind}",
        notify_url=f"https://pay.example.org/notices/{name}",
        now=NOON,
    )
    path = directory / wiring.PROVIDERS_FILE
    path.write_text(json.dumps([entry | changes]), encoding="utf-8")
    return wiring.providers_in(path)[name]


def a_world(directory: Path, kind: str) -> World:
    opening = stripe if kind == "stripe" else mpesa
    where = directory / kind
    return opening.world_in(where, public_url="http://127.0.0.1", speedup=1, random=Random(1), now=NOON)


@pytest.mark.parametrize(
    ("kind", "which", "flows"),
    [("stripe", StripePay, {Flow.WEB, Flow.DESKTOP}), ("mpesa", MpesaPay, {Flow.PROMPT})],
)
def test_an_entry_becomes_an_account_that_its_world_serves(
    tmp_path: Path, kind: str, which: type, flows: set[Flow]
) -> None:
    world = a_world(tmp_path, kind)  # opened before its address is registered
    account = an_account(tmp_path, kind)

    checks = converse_with(
        account.self_test(now=NOON, chance=a_chance()), lambda request: world.answer(request, NOON)
    )

    assert isinstance(account, which)
    assert (account.capabilities.flows, account.capabilities.live) == (flows, False)
    assert all(check.ok for check in checks), checks


def test_the_keys_of_a_directory_stay_and_are_nobody_elses_to_read(tmp_path: Path) -> None:
    for kind in ("stripe", "mpesa"):
        an_account(tmp_path, kind)
        before = {path: path.read_bytes() for path in (tmp_path / kind).iterdir()}

        an_account(tmp_path, kind)

        assert {path: path.read_bytes() for path in (tmp_path / kind).iterdir()} == before
        secret = [path for path in before if not path.name.endswith(".url")]
        assert {path.stat().st_mode & 0o077 for path in secret} == {0}


@pytest.mark.parametrize(
    ("kind", "changes", "complaint"),
    [
        ("stripe", {"live": True}, "live"),
        ("stripe", {"secrets": []}, "secrets"),
        ("stripe", {"currencies": ["XTS"]}, "XTS"),
        ("stripe", {"return_url": "pay.example.org"}, "return_url"),
        ("stripe", {"key": "nothing.key"}, "key"),
        ("mpesa", {"notify_url": "https://pay.example.org/notices/mpesa"}, "notify_url"),
        ("mpesa", {"addresses": ["everywhere"]}, "addresses"),
        ("mpesa", {"nominated_phone": ""}, "nominated_phone"),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused_by_its_field(
    tmp_path: Path, kind: str, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(EntryMalformed, match=complaint):
        an_account(tmp_path, kind, **changes)


def test_safaricoms_addresses_go_by_its_name(tmp_path: Path) -> None:
    account = an_account(tmp_path, "mpesa", addresses=["safaricom"])
    secret = (tmp_path / "mpesa" / "address").read_text()
    notice = HttpRequest(method="POST", path=f"/notices/paybill/{secret}/pulled", peer=SAFARICOM[0])

    heard = [account.hear(each, now=NOON) for each in (notice, HttpRequest(method="POST", path=notice.path))]

    assert [type(each).__name__ for each in heard] == ["Verified", "Rejected"]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Types `compuerta providers ...` where the worlds are reached by a function call."""

    def run(kind: str, *words: str, **changes: object) -> tuple[int, str]:
        account, world = an_account(tmp_path, kind, **changes), a_world(tmp_path, kind)

        async def converse(steps: Steps[list[Check]], **road: object) -> list[Check]:
            assert road["base_url"] == f"http://127.0.0.1:8701/{kind}"
            return converse_with(steps, lambda request: world.answer(request, datetime.now(UTC)))

        monkeypatch.setattr(wiring, "providers", lambda: {account.name: account})
        monkeypatch.setattr(wiring, "base_url", lambda name: f"http://127.0.0.1:8701/{kind}")
        monkeypatch.setattr(providers_cli, "converse", converse)
        done = CliRunner().invoke(providers_cli.commands, words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    return run


def test_accounts_are_listed_with_what_they_can_do(typed: Callable[..., tuple[int, str]]) -> None:
    code, said = typed("mpesa", "list")

    assert code == 0
    assert all(word in said for word in ("paybill", "test", "KES", "prompt", "no"))


def test_an_account_is_checked_by_a_command(typed: Callable[..., tuple[int, str]]) -> None:
    assert typed("stripe", "check", "cards") == (0, "ok  key\nok  notices\n")
    with pytest.raises(providers_cli.ProviderUnknown):
        typed("stripe", "check", "nobody")


def test_a_check_that_fails_is_a_failed_command(typed: Callable[..., tuple[int, str]]) -> None:
    with pytest.raises(providers_cli.CheckFailed):
        typed("stripe", "check", "cards", notify_url="https://elsewhere.example.org/")


def test_a_short_code_is_registered_by_a_command(typed: Callable[..., tuple[int, str]]) -> None:
    code, said = typed("mpesa", "register", "paybill")

    assert code == 0
    assert said.startswith("ok  addresses")
    with pytest.raises(NotOffered):
        typed("stripe", "register", "cards")

"""A version tried on use that was really measured: who would pay more, how much, and why, account by account.

A request does as many accounts as half a second allows and hands over to the next one, with the sums so far:
the page fills while one looks at it, and nothing has to be kept between requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from compuerta.apps import wiring
from compuerta.apps.console import tariff_moves, tariff_reads
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.tariff_reads import BilledRow, VersionRow
from compuerta.apps.console.views.tariff_editor import one
from compuerta.domain.tariff.replay import Difference, History, Replayed, replay, summary
from compuerta.domain.tariff.schedule import Schedule, Version, in_force
from compuerta.services.records import AccountView

REPLAY_DAYS = (30, 90, 365)
BATCH_S = 0.5
BATCH_MAX = 50  # accounts whose contracts are read at once
BAR_PERCENT_MAX = 50  # a change of half the bill fills the bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What the accounts so far come to."""

    done: int = 0
    dearer: int = 0
    cheaper: int = 0
    unmeasured: int = 0
    old_minor: int = 0
    new_minor: int = 0

    @property
    def more_minor(self) -> int:
        """How much more comes in."""
        return self.new_minor - self.old_minor

    @property
    def same(self) -> int:
        """Who pays what they paid."""
        return self.done - self.dearer - self.cheaper - self.unmeasured


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Accounts that a version can be tried on: those it bills, those of another tariff, or a whole site."""

    key: str  # t and the tariff's id, s and the site's
    name: str
    accounts: Sequence[BilledRow]


def crowds(version: VersionRow, organisation_id: int, *, now: datetime) -> list[Crowd]:
    """Return whom a version can be tried on: first those whom it bills, then who would have to move."""
    billed = tariff_reads.metered(organisation_id, now=now)
    alike = [each for each in billed if each.currency == version.currency]
    found: dict[str, Crowd] = {}
    for each in alike:
        for key, name in ((f"t{each.tariff_id}", each.tariff), (f"s{each.site_id}", each.site)):
            known = found.get(key) or Crowd(key=key, name=name, accounts=())
            found[key] = replace(known, accounts=[*known.accounts, each])
    own = f"t{version.tariff_id}"
    return sorted(found.values(), key=lambda each: (each.key != own, each.key[0] == "s", each.name))


@for_people
def page(request: HttpRequest, person: Person, tariff_id: int, version_no: int) -> HttpResponse:
    """Replay the next accounts; the first request brings the table that the others fill."""
    version, now = one(person, tariff_id, version_no), wiring.now()
    days = _whole(request.GET, "days")
    days = days if days in REPLAY_DAYS else REPLAY_DAYS[0]
    known = {each.key: each for each in crowds(version, person.organisation_id, now=now)}
    crowd = known.get(request.GET.get("whose", "")) or next(iter(known.values()), None)
    accounts = () if crowd is None else crowd.accounts
    before = Sums(**{name: _whole(request.GET, name) for name in Sums.__slots__})
    trial = _Trial(new=tariff_reads.to_version(version), since=now - timedelta(days=days), now=now)
    tried = trial.tried(accounts[before.done :])
    sums = _added(before, [replayed for _account, replayed in tried])
    asked = {"days": days, "whose": crowd.key if crowd else "", **asdict(sums)}
    address = f"{reverse('tariff_replay', args=[tariff_id, version_no])}?{urlencode(asked)}"
    context = {
        "first": before.done == 0,
        "rows": [
            {"account": account, "replayed": replayed, "why": _why(replayed), **_bar(replayed)}
            for account, replayed in tried
        ],
        "sums": sums,
        "all": len(accounts),
        "currency": version.currency,
        "next": address if sums.done < len(accounts) else "",
    }
    return render(request, "console/_tariff_replay.html", context)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """What is tried, and since when; a schedule is compiled once for each zone."""

    new: Version
    since: datetime
    now: datetime
    schedules: dict[str, Schedule] = field(default_factory=dict)

    def tried(self, accounts: Sequence[BilledRow]) -> list[tuple[BilledRow, Replayed | None]]:
        """Return as many accounts' bills as half a second allows, at least one's."""
        until, made = monotonic() + BATCH_S, []
        views = tariff_moves.views([each.account_id for each in accounts[:BATCH_MAX]], now=self.now)
        for account in accounts[:BATCH_MAX]:
            made.append((account, self._replayed(account, views[account.account_id])))
            if monotonic() > until:
                break
        return made

    def _replayed(self, account: BilledRow, view: AccountView) -> Replayed | None:
        """Return an account's bills by what has billed it, and by what is tried; None where none was."""
        since = max(self.since, account.opened_at)
        spans = tariff_reads.spans(tariff_reads.use(account.meter_id, since=since))
        if not spans or view.schedule is None:
            return None
        if account.zone not in self.schedules:
            self.schedules[account.zone] = in_force((self.new,), zone=account.zone)
        history = History(account_id=account.account_id, spans=spans, terms=account.terms)
        new = self.schedules[account.zone]
        return next(replay([history], old=view.schedule, new=new, start=spans[0].start))


def _added(sums: Sums, replayed: Sequence[Replayed | None]) -> Sums:
    """Return the sums with what further accounts come to; what too little was measured of is not the same."""
    batch = summary(each for each in replayed if each is not None)
    return Sums(
        done=sums.done + len(replayed),
        dearer=sums.dearer + batch.dearer,
        cheaper=sums.cheaper + batch.cheaper,
        unmeasured=sums.unmeasured + sum(each is None for each in replayed),
        old_minor=sums.old_minor + batch.old_minor,
        new_minor=sums.new_minor + batch.new_minor,
    )


def _why(replayed: Replayed | None) -> Difference | None:
    """Return what moves an account most; a line whose periods are others than before moves as a whole."""
    reason = None if replayed is None else replayed.reason
    if replayed is None or reason is None or (reason.old_minor and reason.new_minor):
        return reason
    alike = [each for each in replayed.differences if each.name == reason.name]
    old_minor, new_minor = sum(each.old_minor for each in alike), sum(each.new_minor for each in alike)
    return replace(reason, period="", step=None, old_minor=old_minor, new_minor=new_minor)


def _bar(replayed: Replayed | None) -> dict[str, int]:
    """Return the change in percent, and how far its bar goes from the middle."""
    if replayed is None or not replayed.old_minor:
        return {"percent": 0, "width": 0}
    percent = round(100 * replayed.more_minor / replayed.old_minor)
    return {"percent": percent, "width": min(abs(percent), BAR_PERCENT_MAX) * 50 // BAR_PERCENT_MAX}


def _whole(given: Mapping[str, str], name: str) -> int:
    text = given.get(name, "")
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 18 else 0

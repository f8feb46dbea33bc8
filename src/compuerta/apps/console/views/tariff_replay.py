"""A version tried on use that was really measured: who would pay more, how much, and why, account by account.

A request does as many accounts as half a second allows and hands over to the next one, with the sums so far:
the page fills while one looks at it, and nothing has to be kept between requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from compuerta.apps import wiring
from compuerta.apps.console import tariff_reads
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.tariff_reads import BilledRow, VersionRow
from compuerta.apps.console.views.tariff_editor import one
from compuerta.domain.tariff.document import tariff_from
from compuerta.domain.tariff.replay import History, Replayed, replay
from compuerta.domain.tariff.schedule import Schedule, Version, in_force

REPLAY_DAYS = (30, 90, 365)
BATCH_S = 0.5
BAR_PERCENT_MAX = 50  # a change of half the bill fills the bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What the accounts so far come to."""

    done: int = 0
    dearer: int = 0
    cheaper: int = 0
    old_minor: int = 0
    new_minor: int = 0

    @property
    def more_minor(self) -> int:
        """How much more comes in."""
        return self.new_minor - self.old_minor

    @property
    def same(self) -> int:
        """Who pays what they paid."""
        return self.done - self.dearer - self.cheaper


@for_people
def page(request: HttpRequest, person: Person, tariff_id: int, version_no: int) -> HttpResponse:
    """Replay the next accounts; the first request brings the table that the others fill."""
    version, now = one(person, tariff_id, version_no), wiring.now()
    given = {name: _whole(request.GET, name) for name in ("days", "done", "dearer", "cheaper")}
    money = {name: _whole(request.GET, name) for name in ("old_minor", "new_minor")}
    days = given.pop("days")
    days = days if days in REPLAY_DAYS else REPLAY_DAYS[0]
    before, sums = Sums(**given, **money), Sums(**given, **money)
    billed = tariff_reads.billed_by(person.organisation_id, tariff_id, now=now)
    trial = _trial(version, person.organisation_id, days=days, now=now)
    until = monotonic() + BATCH_S
    rows = []
    for account in billed[before.done :]:
        replayed = trial.replayed(account)
        sums = _added(sums, replayed)
        rows.append({"account": account, "replayed": replayed, **_bar(replayed)})
        if monotonic() > until:
            break
    more = sums.done < len(billed)
    names = ("done", "dearer", "cheaper", "old_minor", "new_minor")
    asked = urlencode({"days": days, **{name: getattr(sums, name) for name in names}})
    context = {
        "first": before.done == 0,
        "rows": rows,
        "sums": sums,
        "all": len(billed),
        "currency": version.currency,
        "next": f"{reverse('tariff_replay', args=[tariff_id, version_no])}?{asked}" if more else "",
    }
    return render(request, "console/_tariff_replay.html", context)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """What is tried against what, over which time; a schedule is compiled once for each zone."""

    old: tuple[Version, ...]
    new: Version
    since: datetime
    schedules: dict[str, tuple[Schedule, Schedule]] = field(default_factory=dict)

    def replayed(self, account: BilledRow) -> Replayed | None:
        """Return an account's bills under both; None where too little was measured."""
        since = max(self.since, account.opened_at)
        spans = tariff_reads.spans(tariff_reads.use(account.meter_id, since=since))
        if not spans:
            return None
        if account.zone not in self.schedules:
            zone = account.zone
            self.schedules[zone] = in_force(self.old, zone=zone), in_force((self.new,), zone=zone)
        old, new = self.schedules[account.zone]
        history = History(account_id=account.account_id, spans=spans, terms=account.terms)
        return next(replay([history], old=old, new=new, start=spans[0].start))


def _trial(version: VersionRow, organisation_id: int, *, days: int, now: datetime) -> _Trial:
    approved = ("in_force", "coming", "replaced")
    rows = tariff_reads.versions(organisation_id, now=now)
    old = [row for row in rows if row.tariff_id == version.tariff_id and row.stands in approved]
    return _Trial(
        old=tuple(_version(row) for row in old), new=_version(version), since=now - timedelta(days=days)
    )


def _version(row: VersionRow) -> Version:
    return Version(
        tariff_id=row.tariff_id,
        version_no=row.version_no,
        effective_from=row.effective_from,
        tariff=tariff_from(row.document),
    )


def _added(sums: Sums, replayed: Replayed | None) -> Sums:
    if replayed is None:
        return replace(sums, done=sums.done + 1)
    return Sums(
        done=sums.done + 1,
        dearer=sums.dearer + (replayed.more_minor > 0),
        cheaper=sums.cheaper + (replayed.more_minor < 0),
        old_minor=sums.old_minor + replayed.old_minor,
        new_minor=sums.new_minor + replayed.new_minor,
    )


def _bar(replayed: Replayed | None) -> dict[str, int]:
    """Return the change in percent, and how far its bar goes from the middle."""
    if replayed is None or not replayed.old_minor:
        return {"percent": 0, "width": 0}
    percent = round(100 * replayed.more_minor / replayed.old_minor)
    return {"percent": percent, "width": min(abs(percent), BAR_PERCENT_MAX) * 50 // BAR_PERCENT_MAX}


def _whole(given: Mapping[str, str], name: str) -> int:
    text = given.get(name, "")
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 18 else 0

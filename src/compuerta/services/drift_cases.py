"""Drifts as cases: one per account and cause while it is open, with figures, ended by evidence or people."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from compuerta.domain.drift import Cause
from compuerta.domain.money import format_minor
from compuerta.domain.naming import named
from compuerta.services.day_port import Drift
from compuerta.services.freeze_port import SiteDay
from compuerta.services.records import AccountView, Case
from compuerta.services.store_port import Transaction

GONE: Final = "gone"  # the outcome of a case whose figures agree again


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The three figures of an account at one instant; None = not known."""

    books_minor: int
    meter_minor: int | None = None
    recomputed_minor: int | None = None


class Drifts:
    """The drifts of one account while its day is weighed; what changes is written at once at the end."""

    def __init__(self, view: AccountView, day: SiteDay, known: Sequence[Drift], *, now: datetime) -> None:
        self._view = view
        self._day = day
        self._now = now
        self._drifts = {each.drift_id: each for each in known}
        self._cases: list[Case] = []
        self._new: list[Drift] = []

    def of_meter(self) -> list[Drift]:
        """Return those that explain why the meter holds other money than our books."""
        return [
            each
            for each in self._drifts.values()
            if each.meter_minor is not None and each.cause is not Cause.TAMPER and each.gone_at is None
        ]

    def has(self, cause: Cause) -> bool:
        """Tell whether there is one of a cause that is not gone, whatever people have made of its case."""
        return any(each.cause is cause and each.gone_at is None for each in self._drifts.values())

    def see(self, drifts: Sequence[Drift], figures: Figures) -> None:
        """Write down that drifts are still there."""
        for each in drifts:
            self._drifts[each.drift_id] = self._with(each, figures)

    def end(self, drifts: Sequence[Drift], figures: Figures) -> None:
        """Let drifts end: the figures agree again."""
        for each in drifts:
            self._drifts[each.drift_id] = replace(self._with(each, figures), gone_at=self._now)

    def tell(self, tx: Transaction, cause: Cause, minor: int, figures: Figures) -> None:
        """Open a case about a difference, or let the open one of its cause grow."""
        account_id = self._view.account.account_id
        for each in list(self._drifts.values()):
            case = tx.corrections.case(account_id, each.drift_id) if each.cause is cause else None
            if case is None or case.closed_at is not None or each.gone_at is not None:
                continue  # people have ended that one: this is another
            if each.minor + minor:
                self._drifts[each.drift_id] = replace(self._with(each, figures), minor=each.minor + minor)
            else:
                self.end([each], figures)
            return
        drift_id = named("case:drift", account_id, cause.value, self._day.day.isoformat())
        if drift_id not in self._drifts and tx.corrections.case(account_id, drift_id) is None:
            self._new.append(self._drift(drift_id=drift_id, cause=cause, minor=minor, figures=figures))
            self._cases.append(self._case(self._new[-1]))

    def write(self, tx: Transaction) -> None:
        """Write what has changed; a case whose drift is gone is closed with that."""
        tx.put_cases(self._cases)
        tx.days.put_drifts(self._new)
        tx.days.save_drifts(list(self._drifts.values()))
        for each in self._drifts.values():
            case = tx.corrections.case(each.account_id, each.drift_id) if each.gone_at else None
            if case is not None and case.closed_at is None:
                tx.corrections.save_case(replace(case, outcome=GONE, closed_at=self._now))

    def _with(self, drift: Drift, figures: Figures) -> Drift:
        return replace(
            drift,
            seen_day=max(drift.seen_day, self._day.day),
            books_minor=figures.books_minor,
            meter_minor=drift.meter_minor if figures.meter_minor is None else figures.meter_minor,
            recomputed_minor=figures.recomputed_minor,
        )

    def _drift(self, *, drift_id: UUID, cause: Cause, minor: int, figures: Figures) -> Drift:
        assert self._view.meter is not None
        return Drift(
            account_id=self._view.account.account_id,
            drift_id=drift_id,
            site_id=self._day.site_id,
            meter_id=self._view.meter.meter_id,
            cause=cause,
            day=self._day.day,
            seen_day=self._day.day,
            books_minor=figures.books_minor,
            meter_minor=figures.meter_minor,
            recomputed_minor=figures.recomputed_minor,
            minor=minor,
            opened_at=self._now,
        )

    def _case(self, drift: Drift) -> Case:
        shown = [
            f"{name} {format_minor(minor, currency=self._day.currency)}"
            for name, minor in (
                ("books", drift.books_minor),
                ("meter", drift.meter_minor),
                ("recomputed", drift.recomputed_minor),
                ("difference", drift.minor),
            )
            if minor is not None
        ]
        return Case(
            account_id=drift.account_id,
            case_id=drift.drift_id,
            kind=f"drift_{drift.cause.value}",
            detail=f"{self._day.day.isoformat()}: {', '.join(shown)} {self._day.currency}",
            opened_at=self._now,
        )

"""Charting: as which accounts, and in which columns, an organisation tells its books to others."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from compuerta.domain import chart, voucher
from compuerta.domain.chart import Chart, ChartRow
from compuerta.domain.voucher import LAYOUTS, PLAIN, Layout
from compuerta.services.acting import Act, Actor, entry_about
from compuerta.services.store_port import Store, Transaction

OWN = "own"


def chart_of(tx: Transaction, organisation_id: int) -> Chart:
    """Return an organisation's chart: its own, or the usual one for the money of its first site."""
    own = tx.exports.chart(organisation_id)
    if own:
        return {row.key: row for row in own}
    sites = tx.exports.sites(organisation_id)
    return chart.usual(sites[0].currency if sites else "")


def layout_of(tx: Transaction, organisation_id: int, name: str | None) -> Layout:
    """Return the columns of a name; without one, the organisation's own, or plain ones."""
    own = tx.exports.layout(organisation_id)
    if name is None:
        return own or PLAIN
    if name == OWN and own is not None:
        return own
    if name not in LAYOUTS:
        raise voucher.LayoutUnfit(f"there are none named {name!r}; known are {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def save_chart(
    store: Store,
    rows: Sequence[ChartRow],
    *,
    organisation_id: int,
    actor: Actor,
    act_id: UUID,
    now: datetime,
) -> int:
    """Make a chart the organisation's own; returns how many accounts are other than before.

    What was exported stays as it is; the next export tells the new accounts.
    """
    with store.transaction() as tx:
        chart.require_fit(rows)
        before = chart_of(tx, organisation_id)
        changed = [
            row for row in rows if row != before.get(row.key, ChartRow(key=row.key, number="", name=""))
        ]
        tx.exports.save_chart(organisation_id, rows)
        if changed:
            act = Act(
                act_id=act_id,
                what="change the chart of accounts",
                before=_told([before[row.key] for row in changed if row.key in before]),
                after=_told(changed),
            )
            tx.put_audit([entry_about("chart", actor, act, organisation_id=organisation_id, now=now)])
        return len(changed)


def save_layout(
    store: Store, layout: Layout, *, organisation_id: int, actor: Actor, act_id: UUID, now: datetime
) -> None:
    """Make columns the organisation's own."""
    voucher.require_fit(layout)
    with store.transaction() as tx:
        before = layout_of(tx, organisation_id, None)
        tx.exports.save_layout(organisation_id, layout)
        act = Act(
            act_id=act_id, what="change voucher columns", before=_columns(before), after=_columns(layout)
        )
        tx.put_audit([entry_about("vouchers", actor, act, organisation_id=organisation_id, now=now)])


def _told(rows: Sequence[ChartRow]) -> str:
    return "; ".join(f"{row.key} = {row.number} {row.name}".rstrip() for row in rows)


def _columns(layout: Layout) -> str:
    return "; ".join(f"{title} = {field.value}" for title, field in layout.columns)

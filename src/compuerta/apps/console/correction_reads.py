"""What the screens of suspense, corrections and cases show: one query each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from django.utils.functional import Promise

from compuerta.apps.console import correction_words
from compuerta.apps.console.reads import rows
from compuerta.domain.access import Place
from compuerta.domain.correction import CorrectionKind

SHOWN_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspenseRow:
    """Money that came and is nobody's yet; `told` is what came with it, as the payer typed it."""

    account_id: int
    payment_id: UUID
    provider: str
    transaction_no: str
    amount_minor: int
    left_minor: int
    currency: str
    paid_at: datetime
    why: str | None
    told: str | None
    correction_state: str | None


_LEFT = """p.amount_minor - coalesce((
    select sum(c.amount_minor) from correction c
    where c.account_id = p.account_id and c.payment_id = p.payment_id
        and c.ended_at is not null and c.state <> 'rejected'
), 0) - coalesce((
    select sum(r.amount_minor) from refund r
    where r.account_id = p.account_id and r.payment_id = p.payment_id and r.correction_id is null
), 0) - coalesce((
    select sum(d.amount_minor) from dispute d
    where d.account_id = p.account_id and d.payment_id = p.payment_id and d.state <> 'won'
), 0)"""


# Of an account of somebody's own, suspense holds what came back and nobody could have.
_WAITING = """coalesce((
    select -sum(l.amount_minor) from posting_line l
    where l.account_id = p.account_id and l.code = 'suspense'
), 0)"""


def suspense(organisation_id: int) -> list[SuspenseRow]:
    """Return money in suspense, the oldest first: what was never placed, and what came back."""
    return rows(
        SuspenseRow,
        f"""select * from (
            select p.account_id, p.payment_id, p.provider, p.transaction_no, p.amount_minor,
                (case p.verdict when 'suspended' then {_LEFT} else least({_LEFT}, {_WAITING}) end)::bigint
                    as left_minor, p.currency, p.paid_at, f.kind as why, f.detail as told,
                o.state as correction_state
            from (
                select * from payment where verdict = 'suspended'
                union all
                select p.* from payment p join (
                    select account_id, payment_id from dispute where state = 'won'
                    union
                    select account_id, payment_id from correction
                    where state = 'rejected' and payment_id is not null
                ) back using (account_id, payment_id) where p.verdict = 'credited'
            ) p
            join account a using (account_id)
            left join lateral (
                select kind, detail from case_file f
                where f.account_id = p.account_id and position(p.transaction_no in f.detail) > 0
                order by opened_at limit 1
            ) f on true
            left join correction o
                on o.account_id = p.account_id and o.payment_id = p.payment_id and o.ended_at is null
            where a.organisation_id = %(organisation_id)s
        ) waiting where left_minor > 0 order by paid_at, payment_id limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": SHOWN_MAX},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """A payment of which something can be put right."""

    account_id: int
    payment_id: UUID
    provider: str
    transaction_no: str
    amount_minor: int
    credit_minor: int
    waiting_minor: int  # of a payment that was credited: what came back, and waits in suspense
    currency: str
    paid_at: datetime
    verdict: str
    place: str
    site_id: int
    building: str
    zone: str
    meter_id: int | None

    @property
    def proposed_minor(self) -> int:
        """What is put right where nobody says otherwise: what waits, or all of it."""
        return self.waiting_minor or self.amount_minor

    def within(self, organisation_id: int) -> Place:
        """Return where rights on it are asked for; suspense belongs to the whole organisation."""
        if self.verdict == "suspended":
            return Place(organisation_id=organisation_id)
        return Place(organisation_id=organisation_id, site_id=self.site_id, building=self.building)


def payment(organisation_id: int, account_id: int, payment_id: UUID) -> PaymentRow | None:
    """Return one payment; any other organisation's is not there."""
    found = rows(
        PaymentRow,
        f"""select p.account_id, p.payment_id, p.provider, p.transaction_no, p.amount_minor,
            coalesce(r.credit_minor, p.amount_minor) as credit_minor,
            (case p.verdict when 'credited' then {_WAITING} else 0 end)::bigint as waiting_minor,
            p.currency, p.paid_at, p.verdict,
            s.name as place, s.site_id, s.building, z.zone, i.meter_id
        from payment p
        join account a using (account_id)
        join supply_point s using (supply_point_id)
        join site z on z.site_id = s.site_id
        left join recharge r using (account_id, payment_id)
        left join installation i on i.account_id = a.account_id and i.ended_at is null
        where a.organisation_id = %(organisation_id)s and p.account_id = %(account_id)s
            and p.payment_id = %(payment_id)s""",
        {"organisation_id": organisation_id, "account_id": account_id, "payment_id": payment_id},
    )
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """An account that can be given credit, or a debt."""

    account_id: int
    name: str
    currency: str
    place: str
    site_id: int
    building: str

    def within(self, organisation_id: int) -> Place:
        """Return where rights on it are asked for."""
        return Place(organisation_id=organisation_id, site_id=self.site_id, building=self.building)


def account(organisation_id: int, account_id: int) -> AccountRow | None:
    """Return one customer's account; any other organisation's is not there."""
    found = rows(
        AccountRow,
        """select a.account_id, a.name, z.currency, s.name as place, s.site_id, s.building
        from account a
        join supply_point s using (supply_point_id)
        join site z on z.site_id = s.site_id
        where a.organisation_id = %(organisation_id)s and a.account_id = %(account_id)s
            and a.kind = 'customer'""",
        {"organisation_id": organisation_id, "account_id": account_id},
    )
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionRow:
    """A wish to put money right, with how far it has come."""

    account_id: int
    correction_id: UUID
    kind: str
    state: str
    amount_minor: int
    currency: str
    why: str
    note: str
    way: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    ended_at: datetime | None
    place: str
    site_id: int
    building: str
    meter_id: int | None
    to_place: str | None
    provider: str | None
    withdrawal: str | None
    refund: str | None
    refund_answer: str | None
    is_suspense: bool

    @property
    def title(self) -> Promise:
        """What is put right."""
        return correction_words.KINDS[self.kind]

    @property
    def stands(self) -> Promise:
        """Where it stands."""
        return correction_words.STATES[self.state]

    @property
    def effect(self) -> Promise:
        """What approving it will do."""
        return effect(self.kind, is_suspense=self.is_suspense)

    def within(self, organisation_id: int) -> Place:
        """Return where rights on it are asked for; suspense belongs to the whole organisation."""
        if self.is_suspense:
            return Place(organisation_id=organisation_id)
        return Place(organisation_id=organisation_id, site_id=self.site_id, building=self.building)


def effect(kind: str, *, is_suspense: bool) -> Promise:
    """Say what approving a correction will do."""
    if is_suspense and kind == CorrectionKind.REFUND.value:
        return correction_words.EFFECTS[correction_words.REFUND_OF_SUSPENSE]
    return correction_words.EFFECTS[kind]


_CORRECTIONS = """
select c.account_id, c.correction_id, c.kind, c.state, c.amount_minor, c.currency, c.why, c.note, c.way,
    c.proposed_by, c.proposed_at, c.decided_by, c.ended_at, s.name as place, s.site_id, s.building,
    i.meter_id, t.name as to_place, p.provider, w.state as withdrawal, r.state as refund,
    r.last_answer as refund_answer, coalesce(p.verdict = 'suspended', false) as is_suspense
from correction c
join account a using (account_id)
join supply_point s using (supply_point_id)
left join installation i on i.account_id = a.account_id and i.ended_at is null
left join account ta on ta.account_id = c.to_account_id
left join supply_point t on t.supply_point_id = ta.supply_point_id
left join payment p on p.account_id = c.account_id and p.payment_id = c.payment_id
left join lateral (
    select state from instruction n where n.correction_id = c.correction_id order by created_at desc limit 1
) w on true
left join lateral (
    select state, last_answer from refund f
    where f.account_id = c.account_id and f.correction_id = c.correction_id order by created_at desc limit 1
) r on true
where c.organisation_id = %(organisation_id)s
"""


def corrections(organisation_id: int) -> list[CorrectionRow]:
    """Return corrections, the open first and the newest of each."""
    return rows(
        CorrectionRow,
        f"""{_CORRECTIONS} order by c.ended_at is not null, c.proposed_at desc, c.correction_id
        limit %(limit)s""",
        {"organisation_id": organisation_id, "limit": SHOWN_MAX},
    )


def correction(organisation_id: int, account_id: int, correction_id: UUID) -> CorrectionRow | None:
    """Return one correction; any other organisation's is not there."""
    found = rows(
        CorrectionRow,
        f"{_CORRECTIONS} and c.account_id = %(account_id)s and c.correction_id = %(correction_id)s",
        {
            "organisation_id": organisation_id,
            "account_id": account_id,
            "correction_id": correction_id,
        },
    )
    return found[0] if found else None


def tills_without_shifts(organisation_id: int, *, currency: str) -> list[str]:
    """Return the names of an organisation's tills that nobody counts, and that hold this currency."""
    found = rows(
        _Till,
        """select p.provider from provider_account p
        join account a on a.account_id = p.suspense_account_id
        join site s on s.site_id = a.site_id
        where p.organisation_id = %(organisation_id)s and p.kind = 'till' and s.currency = %(currency)s
            and not exists (select from till t where t.provider = p.provider)
        order by p.provider""",
        {"organisation_id": organisation_id, "currency": currency},
    )
    return [each.provider for each in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Till:
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """A doubt, with who looks at it and what came of it."""

    account_id: int
    case_id: UUID
    kind: str
    detail: str
    opened_at: datetime
    owner: str | None
    outcome: str | None
    closed_at: datetime | None
    place: str
    site_id: int
    building: str
    meter_id: int | None

    @property
    def screen(self) -> str | None:
        """The screen that tells of it in the reader's words, and where it is worked on."""
        return "drifts" if self.kind.startswith("drift_") else _SCREENS.get(self.kind)


_SCREENS: Mapping[str, str] = MappingProxyType(
    {
        "statement_differs": "statements",
        "statement_faulty": "statements",
        "statement_missing": "statements",
        "reference_unknown": "suspense",
        "bank_entry": "bank",
        "posting_late": "anchors",
    }
)


def cases(organisation_id: int, *, closed: bool) -> list[CaseRow]:
    """Return the cases that are open, the oldest first; or those that were closed last."""
    order = "c.closed_at desc" if closed else "c.opened_at"
    return rows(
        CaseRow,
        f"""select c.account_id, c.case_id, c.kind, c.detail, c.opened_at, c.owner, c.outcome, c.closed_at,
            s.name as place, s.site_id, s.building, i.meter_id
        from case_file c
        join account a using (account_id)
        join supply_point s using (supply_point_id)
        left join installation i on i.account_id = a.account_id and i.ended_at is null
        where a.organisation_id = %(organisation_id)s and (c.closed_at is not null) = %(closed)s
        order by {order}, c.case_id limit %(limit)s""",
        {"organisation_id": organisation_id, "closed": closed, "limit": SHOWN_MAX},
    )

"""Telling: what happened becomes messages to whoever wants to know, in their language, once.

Called inside the transaction of what happened, so that nothing is told that was undone, and nothing that
happened stays untold. Sending is elsewhere (`sending`). Residents are told by the first channel of their
policy that they have, or by all; whom that does not reach is told by the next (`escalating`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from compuerta.domain import quiet, wording
from compuerta.domain.contact import Language, Topic
from compuerta.domain.naming import named
from compuerta.domain.party import Account, zone_of
from compuerta.domain.policy import Policy
from compuerta.domain.supply import Reason
from compuerta.domain.wording import Told
from compuerta.services import forecasting, report_sheet
from compuerta.services.daily_report import DailyReport, money_told
from compuerta.services.message_port import Contact, Message, Template, message_id
from compuerta.services.records import AccountView, SupplyChange, Warned
from compuerta.services.store_port import Transaction

# A forecast takes some ten milliseconds, in somebody's transaction: a flood of warnings goes without.
FORECASTS_MAX: Final = 200
_BEGUN: Final[Mapping[str, Told]] = MappingProxyType(
    {
        Reason.EMERGENCY_CREDIT.value: Told.EMERGENCY,
        Reason.TEMPORARY_SUPPLY.value: Told.TEMPORARY,
        Reason.LAST_CHANCE.value: Told.LAST_CHANCE,
    }
)
_TOPIC: Final[Mapping[Told, Topic]] = MappingProxyType(
    {
        **dict.fromkeys(Told, Topic.SUPPLY),
        Told.WARNING: Topic.WARNING,
        Told.PAYMENT: Topic.PAYMENT,
        Told.ALARM: Topic.ALARM,
        Told.DAILY_REPORT: Topic.DAILY_REPORT,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentArrived:
    """Credit that is in force."""

    account_id: int
    recharge_id: UUID
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised:
    """An alarm that staff should hear of."""

    organisation_id: int
    alarm_id: UUID  # one for each time that it is to be told
    kind: str
    severity: str
    place: str  # as people call it: the building, the room, the meter's number
    at: datetime
    zone: str
    account_id: int | None = None
    urgent: bool = False  # whatever the hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the fields of messages about an account are filled from, in whatever language."""

    account: Account
    balance_minor: int
    amount_minor: int = 0
    until: datetime | None = None  # told
    zero_at: datetime | None = None  # foreseen
    reason: str = ""
    code: str = ""
    recharge_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """Something that happened to an account, for whoever wants to know."""

    told: Told
    occasion: UUID
    facts: Facts


def fields_of(facts: Facts, *, language: Language, now: datetime) -> dict[str, str]:
    """Return all fields of messages about an account, in a language; the site's wall clock counts."""
    account, zone = facts.account, zone_of(facts.account.zone)

    def amount(amount_minor: int) -> str:
        return wording.amount(amount_minor, currency=account.currency, language=language)

    pay_link = f"{wording.ADDRESS}/p/{account.pay_token}"
    until = "" if facts.until is None else wording.instant(facts.until, zone=zone, now=now, language=language)
    return {
        "place": " ".join(part for part in (account.building, account.supply_point) if part),
        "balance": amount(facts.balance_minor),
        "amount": amount(facts.amount_minor),
        "pay_link": pay_link,
        "receipt_link": pay_link if facts.recharge_id is None else f"{pay_link}/receipts/{facts.recharge_id}",
        "until": until,
        "zero_at": wording.about(facts.zero_at, zone=zone, now=now, language=language),
        "reason": wording.reason(facts.reason, language=language),
        "code": facts.code,
    }


def supply_changed(
    tx: Transaction, changes: Sequence[SupplyChange], views: Mapping[int, AccountView], *, now: datetime
) -> None:
    """Tell residents what became of their supply; a cut and a last chance are told at any hour."""
    news = []
    for change in changes:
        told, view = _told_of(change), views.get(change.account_id)
        if told is None or view is None:
            continue
        facts = Facts(
            account=view.account,
            balance_minor=view.balance_minor,
            amount_minor=view.policy.emergency_minor,
            until=change.until or now,
            reason=change.reason,
        )
        occasion = named("told", told.value, change.account_id, change.at.isoformat(), change.reason)
        news.append(_News(told=told, occasion=occasion, facts=facts))
    _tell(tx, news, views, now=now)


def payment_arrived(tx: Transaction, payments: Sequence[PaymentArrived], *, now: datetime) -> None:
    """Tell residents that their money is in force."""
    listening = tx.messages.listeners((each.account_id for each in payments), topic=Topic.PAYMENT)
    views = tx.look_at(listening, now=now) if listening else {}
    news = [
        _News(
            told=Told.PAYMENT,
            occasion=named("told", Told.PAYMENT.value, each.recharge_id),
            facts=Facts(
                account=views[each.account_id].account,
                balance_minor=views[each.account_id].balance_minor,
                amount_minor=each.amount_minor,
                recharge_id=each.recharge_id,
            ),
        )
        for each in payments
        if each.account_id in views
    ]
    _tell(tx, news, views, now=now)


def warned(tx: Transaction, warnings: Sequence[Warned], *, now: datetime) -> None:
    """Tell residents, and staff where the policy says so, that a level spoke."""
    if not warnings:
        return
    listening = tx.messages.listeners((each.account_id for each in warnings), topic=Topic.WARNING)
    views = tx.look_at(listening, now=now) if listening else {}
    foreseen = {key: views[key] for key in list(views)[:FORECASTS_MAX]}
    shapes = forecasting.shapes_of(tx, foreseen.values(), now=now)
    news = []
    for each in warnings:
        view, shape = views.get(each.account_id), shapes.get(each.account_id)
        if view is None:
            continue
        zero_at = each.zero_at
        if zero_at is None and shape is not None:
            found = forecasting.used_up(
                view, view.holdings, shape, balance_minor=each.balance_minor, at=each.at
            )
            zero_at = None if found is None else found.zero_at
        facts = Facts(account=view.account, balance_minor=each.balance_minor, zero_at=zero_at)
        occasion = named("told", Told.WARNING.value, each.account_id, each.level, each.at.isoformat())
        news.append(_News(told=Told.WARNING, occasion=occasion, facts=facts))
    _tell(tx, news, views, now=now)


def welcome(tx: Transaction, account_ids: Iterable[int], *, now: datetime) -> None:
    """Tell residents who moved in where to pay."""
    views = tx.look_at(account_ids, now=now)
    news = [
        _News(
            told=Told.WELCOME,
            occasion=named("told", Told.WELCOME.value, account_id),
            facts=Facts(account=view.account, balance_minor=view.balance_minor),
        )
        for account_id, view in views.items()
    ]
    _tell(tx, news, views, now=now)


def tell_one(tx: Transaction, contact: Contact, told: Told, facts: Facts, *, now: datetime) -> None:
    """Tell one contact something, now: a code goes to who has confirmed nothing yet."""
    said = _Said(
        told=told,
        occasion=named("told", told.value, contact.contact_id, facts.code),
        account_id=contact.account_id,
        due_at=now,
        urgent=told in wording.URGENT,
    )
    own = _own(tx.messages.templates([contact.organisation_id]))
    fields = fields_of(facts, language=contact.language, now=now)
    tx.messages.put_messages([_message(contact, said, fields, own, now=now)])


def alarm_raised(tx: Transaction, alarms: Sequence[AlarmRaised], *, now: datetime) -> None:
    """Tell staff who want alarms."""
    if not alarms:
        return
    organisations = {each.organisation_id for each in alarms}
    staff = tx.messages.staff_of(organisations, wants=Topic.ALARM)
    if not staff:
        return
    own = _own(tx.messages.templates(organisations))
    messages = []
    for alarm in alarms:
        for contact in staff:
            if contact.organisation_id != alarm.organisation_id:
                continue
            fields = {
                "place": alarm.place,
                "alarm": wording.alarm(alarm.kind, language=contact.language),
                "severity": wording.alarm(alarm.severity, language=contact.language),
                "at": wording.instant(alarm.at, zone=zone_of(alarm.zone), now=now, language=contact.language),
            }
            said = _Said(
                told=Told.ALARM,
                occasion=named("told", Told.ALARM.value, alarm.alarm_id),
                account_id=alarm.account_id,
                due_at=now,
                urgent=alarm.urgent,
            )
            messages.append(_message(contact, said, fields, own, now=now))
    tx.messages.put_messages(messages)


def day_reported(tx: Transaction, report: DailyReport, staff: Sequence[Contact], *, now: datetime) -> None:
    """Tell staff what a site's day came to; once for each sum of its money."""
    own = _own(tx.messages.templates([report.organisation_id]))
    said = _Said(
        told=Told.DAILY_REPORT,
        occasion=named("told", Told.DAILY_REPORT.value, report.site_id, report.day, money_told(report)),
        account_id=None,
        due_at=now,
        urgent=False,
    )
    tx.messages.put_messages(
        [
            _message(each, said, report_sheet.fields_of(report, language=each.language), own, now=now)
            for each in staff
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What all messages of one occasion share."""

    told: Told
    occasion: UUID
    account_id: int | None
    due_at: datetime
    urgent: bool


_Own = Mapping[tuple[int, str, Language], Template]


def _tell(tx: Transaction, news: Sequence[_News], views: Mapping[int, AccountView], *, now: datetime) -> None:
    """Write what happened to accounts to whoever listens."""
    messages: list[Message] = []
    for topic in sorted({_TOPIC[each.told] for each in news}, key=lambda topic: topic.value):
        some = [each for each in news if _TOPIC[each.told] is topic]
        listening = tx.messages.listeners((each.facts.account.account_id for each in some), topic=topic)
        own = _own(tx.messages.templates({view.account.organisation_id for view in views.values()}))
        for each in some:
            account = each.facts.account
            view = views[account.account_id]
            for contact in _addressed(listening.get(account.account_id, []), view.policy, topic):
                said = _Said(
                    told=each.told,
                    occasion=each.occasion,
                    account_id=account.account_id,
                    due_at=_due_at(each.told, view, now=now),
                    urgent=each.told in wording.URGENT,
                )
                fields = fields_of(each.facts, language=contact.language, now=now)
                messages.append(_message(contact, said, fields, own, now=now))
    tx.messages.put_messages(messages)


def _addressed(listening: Sequence[Contact], policy: Policy, topic: Topic) -> list[Contact]:
    """Return who is told: residents by the first channel of the policy that they have, and staff."""
    residents = [each for each in listening if each.account_id is not None]
    for channel in policy.channels:
        by_channel = [each for each in residents if each.channel.value == channel]
        if by_channel:
            residents = by_channel
            break
    silent = topic is Topic.WARNING and not policy.tells_staff
    return residents + ([] if silent else [each for each in listening if each.account_id is None])


def _due_at(told: Told, view: AccountView, *, now: datetime) -> datetime:
    if told in wording.URGENT:
        return now
    return quiet.told_at(view.policy.quiet, zone=zone_of(view.account.zone), now=now)


def _told_of(change: SupplyChange) -> Told | None:
    """Return what a change of decision is to residents; None = nothing that they notice."""
    if change.was_closed is None:
        return None
    if not change.closed:
        return Told.CUT if change.was_closed else None
    if change.reason in _BEGUN and change.reason != change.was_reason:
        return _BEGUN[change.reason]
    return None if change.was_closed else Told.RESTORED


def _own(templates: Iterable[Template]) -> _Own:
    return {(each.organisation_id, each.name, each.language): each for each in templates}


def _message(
    contact: Contact, said: _Said, fields: Mapping[str, str], own: _Own, *, now: datetime
) -> Message:
    words = own.get((contact.organisation_id, said.told.value, contact.language))
    subject, body = (
        wording.ours(said.told, contact.language) if words is None else (words.subject, words.body)
    )
    return Message(
        message_id=message_id(said.occasion, contact.contact_id),
        occasion=said.occasion,
        organisation_id=contact.organisation_id,
        account_id=said.account_id,
        contact_id=contact.contact_id,
        channel=contact.channel,
        template=said.told.value,
        language=contact.language,
        fields={name: fields[name] for name in wording.FIELDS[said.told]},
        urgent=said.urgent,
        subject=wording.filled(subject, fields),
        body=wording.filled(body, fields),
        created_at=now,
        due_at=said.due_at,
    )

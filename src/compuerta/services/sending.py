"""Sending: words leave the outbox as instructions do: leased, handed over, concluded by the carrier's word.

The rule of doubt. A letter whose outcome nobody knows (no answer after it was handed over, or a worker that
died with it) is sent again only while its carrier knows it by its id; elsewhere it has failed, never goes by
that carrier again, and the person's next contact is told instead. So nobody hears the same twice by one
channel, and nothing is lost in silence: who has no contact left is an alarm.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from compuerta.domain.contact import Channel
from compuerta.domain.wording import ADDRESS
from compuerta.services import escalating
from compuerta.services.message_port import (
    ENDED,
    Contact,
    Leased,
    Message,
    MessageState,
    message_id,
)
from compuerta.services.notifier_port import Letter, Sent, Verdict
from compuerta.services.store_port import Store, Transaction

# Longer than the longest talk with any carrier, so that no lease ends while its letter is under way.
LEASE = timedelta(minutes=2)
CLAIM_MAX = 50
# Between tries. What is urgent is short, so that the next contact hears of a cut within two minutes.
BACK_OFF_URGENT = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60))
BACK_OFF = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 120, 300, 600, 900, 1800))
CONFIRM = "confirm"  # the template with a code: to whom nothing else may go yet
DIGEST = "digest"
# What carriers in China let through to one number (help.aliyun 2881383); beyond it they refuse, and charge.
CODES_MAX = ((timedelta(minutes=1), 1), (timedelta(hours=1), 5), (timedelta(days=1), 10))
NOTICES_MAX = ((timedelta(days=1), 50),)
_WINDOWS = frozenset(window for window, _ in (*CODES_MAX, *NOTICES_MAX))
THROTTLED_MAX = timedelta(days=1)  # whoever waits longer is told elsewhere
DIGEST_CHARS_MAX = 10_000
# Texts and WeChat carry approved templates only, and none of those can hold what others say.
WORDS_ARE_FREE = frozenset({Channel.EMAIL, Channel.WEBHOOK, Channel.APPRISE})
_KNOWN_MORE = frozenset({MessageState.DELIVERED, MessageState.DIGESTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierTerms:
    """What sending has to know of a carrier."""

    name: str
    repeat_within: timedelta  # for how long sending a message again is harmless; zero where it never is


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sends, by what, and how people come back to us."""

    owner: str  # the worker's instance
    carrier_of: Callable[[int, Channel], CarrierTerms | None]
    public_url: str
    opt_out_url: Callable[[UUID], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A letter that is ours to hand over until its lease ends."""

    letter: Letter
    carrier: CarrierTerms
    organisation_id: int
    channel: Channel
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a letter."""

    handover: Handover
    sent: Sent


def claim(store: Store, sender: Sender, *, now: datetime, limit: int = CLAIM_MAX) -> list[Handover]:
    """Lease what is due and return what is to be handed over; the rest is concluded at once.

    Dropped is what nobody wants any more; digested what waits together; put off what a number has had too
    much of; and given up what is in doubt.
    """
    with store.transaction() as tx:
        leased = tx.messages.claim_due(now=now, until=now + LEASE, owner=sender.owner, limit=limit)
        if not leased:
            return []
        wanted = _without_unwanted(tx, leased, now=now)
        carried = _without_doubtful(tx, wanted, sender, now=now)
        single = _without_digested(tx, carried, now=now)
        return _letters(tx, _without_throttled(tx, single, now=now), sender)


def conclude(store: Store, outcomes: Sequence[Outcome], *, owner: str, now: datetime) -> None:
    """Write what became of letters; what was not taken is tried again within bounds, or told elsewhere."""
    with store.transaction() as tx:
        found = tx.messages.messages(outcome.handover.letter.message_id for outcome in outcomes)
        for outcome in outcomes:
            message = found[outcome.handover.letter.message_id]
            if message.lease_owner == owner and message.tries == outcome.handover.tries:
                _conclude(tx, message, outcome, now=now)
            elif outcome.sent.verdict is Verdict.ACCEPTED:
                _keep_evidence(tx, message, outcome.sent, now=now)


def _conclude(tx: Transaction, message: Message, outcome: Outcome, *, now: datetime) -> None:
    sent = outcome.sent
    match sent.verdict:
        case Verdict.ACCEPTED:
            _keep_evidence(tx, message, sent, now=now)
        case Verdict.LATER:
            _try_later(tx, message, sent.detail, now=now)
        case Verdict.UNKNOWN:
            _doubt(tx, message, outcome.handover.carrier, sent.detail, now=now)
        case Verdict.UNWANTED:
            tx.messages.opt_out(message.contact_id, at=now)
            escalating.give_up(tx, message, sent.detail, now=now)
        case Verdict.REFUSED:
            escalating.give_up(tx, message, sent.detail, now=now)


def _keep_evidence(tx: Transaction, message: Message, sent: Sent, *, now: datetime) -> None:
    """Write that the carrier has it, whatever was thought of it since; a receipt may have been faster."""
    state = message.state if message.state in _KNOWN_MORE else MessageState.SENT
    tx.messages.save_messages(
        [
            replace(
                message,
                state=state,
                ended_at=message.ended_at if state in ENDED else None,
                lease_until=None,
                lease_owner="",
                provider_id=sent.provider_id or message.provider_id,
                sent_at=message.sent_at or now,
                last_answer=sent.detail,
            )
        ]
    )


def _try_later(tx: Transaction, message: Message, detail: str, *, now: datetime) -> None:
    waits = BACK_OFF_URGENT if message.urgent else BACK_OFF
    if message.tries > len(waits):
        escalating.give_up(tx, message, detail, now=now)
        return
    tx.messages.save_messages([_waiting(message, detail, due_at=now + waits[message.tries - 1])])


def _doubt(tx: Transaction, message: Message, carrier: CarrierTerms, detail: str, *, now: datetime) -> None:
    """Send again what the carrier knows by its id, and give up what it does not: the rule of doubt."""
    handed_over = message.sent_at or now
    waits = BACK_OFF_URGENT if message.urgent else BACK_OFF
    again_at = now + waits[min(message.tries, len(waits)) - 1]
    if again_at - handed_over < carrier.repeat_within:
        _try_later(tx, replace(message, sent_at=handed_over), detail, now=now)
    else:
        escalating.give_up(tx, replace(message, sent_at=handed_over), f"in doubt: {detail}", now=now)


def _waiting(message: Message, detail: str, *, due_at: datetime) -> Message:
    return replace(
        message,
        state=MessageState.WAITING,
        lease_until=None,
        lease_owner="",
        due_at=due_at,
        last_answer=detail,
    )


def _without_unwanted(tx: Transaction, leased: Iterable[Leased], *, now: datetime) -> list[Leased]:
    wanted, dropped = [], []
    for each in leased:
        unconfirmed = each.contact.confirmed_at is None and each.message.template != CONFIRM
        if each.contact.opted_out_at is None and not unconfirmed:
            wanted.append(each)
        else:
            reason = "not confirmed" if unconfirmed else "opted out"
            dropped.append(escalating.ended(each.message, MessageState.DROPPED, reason, now=now))
    tx.messages.save_messages(dropped)
    return wanted


def _without_doubtful(
    tx: Transaction, leased: Iterable[Leased], sender: Sender, *, now: datetime
) -> list[Leased]:
    """Conclude what nobody carries, and what a worker that died may have sent."""
    kept = []
    for each in leased:
        message = each.message
        carrier = sender.carrier_of(message.organisation_id, message.channel)
        if carrier is None:
            reason = f"channels.json has nobody who carries {message.channel.value}"
            escalating.give_up(tx, message, reason, now=now)
        elif each.doubtful and (
            now - _handed_over(message, now=now) >= carrier.repeat_within or _has_tried_enough(message)
        ):
            maybe_sent = replace(message, sent_at=_handed_over(message, now=now))
            escalating.give_up(tx, maybe_sent, "in doubt: whoever sent it has died", now=now)
        elif each.doubtful:
            kept.append(replace(each, message=replace(message, sent_at=_handed_over(message, now=now))))
        else:
            kept.append(each)
    return kept


def _has_tried_enough(message: Message) -> bool:
    """Tell whether this claim is one too many; a letter that kills whoever sends it ends here."""
    return message.tries > len(BACK_OFF_URGENT if message.urgent else BACK_OFF) + 1


def _handed_over(message: Message, *, now: datetime) -> datetime:
    """Return since when a message in doubt may be on its way, at the latest."""
    return message.sent_at or now - LEASE


def _without_digested(tx: Transaction, leased: Sequence[Leased], *, now: datetime) -> list[Leased]:
    """Make one message of those that wait together for one contact, unless they are urgent."""
    together: dict[UUID, list[Leased]] = {}
    for each in leased:
        # What may be on its way already is not said again in other words.
        free = not each.message.urgent and each.message.sent_at is None
        if free and each.message.template not in (CONFIRM, DIGEST):
            together.setdefault(each.contact.contact_id, []).append(each)
    digested: set[UUID] = set()
    for parts in together.values():
        if len(parts) > 1 and parts[0].message.channel in WORDS_ARE_FREE:
            digested |= _digest(tx, parts[0].contact, [part.message for part in parts], now=now)
    return [each for each in leased if each.message.message_id not in digested]


def _digest(tx: Transaction, contact: Contact, parts: Sequence[Message], *, now: datetime) -> set[UUID]:
    """Write the digest of messages and end them; in the same transaction, so that none is lost or doubled."""
    newest = max(parts, key=lambda part: (part.created_at, part.message_id))
    occasion = uuid5(newest.occasion, " ".join(sorted(part.message_id.hex for part in parts)))
    digest = replace(
        newest,
        message_id=message_id(occasion, contact.contact_id),
        occasion=occasion,
        template=DIGEST,
        fields={"messages": str(len(parts))},
        body="\n\n".join(part.body for part in parts)[:DIGEST_CHARS_MAX],
        state=MessageState.WAITING,
        created_at=now,
        due_at=now,
        tries=0,
        lease_until=None,
        lease_owner="",
    )
    tx.messages.put_messages([digest])
    reason = f"in {digest.message_id}"
    tx.messages.save_messages(
        [escalating.ended(part, MessageState.DIGESTED, reason, now=now) for part in parts]
    )
    return {part.message_id for part in parts}


def _without_throttled(tx: Transaction, leased: Sequence[Leased], *, now: datetime) -> list[Leased]:
    """Put off texts to a number that has had its share; within one claim, each counts for the next."""
    counts: dict[tuple[str, timedelta], int] = {}
    texts = {each.contact.address for each in leased if each.message.channel is Channel.SMS}
    for window in _WINDOWS if texts else ():
        for address, number in tx.messages.sent_since(texts, since=now - window).items():
            counts[address, window] = number
    kept = []
    for each in leased:
        limits = CODES_MAX if each.message.template == CONFIRM else NOTICES_MAX
        address = each.contact.address
        full = [window for window, most in limits if counts.get((address, window), 0) >= most]
        if each.message.channel is not Channel.SMS or not full:
            kept.append(each)
            for window in _WINDOWS:
                counts[address, window] = counts.get((address, window), 0) + 1
        else:
            _put_off(tx, each.message, max(full), now=now)
    return kept


def _put_off(tx: Transaction, message: Message, window: timedelta, *, now: datetime) -> None:
    reason = f"this number has had its share of texts in {window}"
    due_at = now + min(window, timedelta(hours=1))
    if (message.urgent and message.template != CONFIRM) or due_at - message.created_at > THROTTLED_MAX:
        escalating.give_up(tx, message, reason, now=now)
    else:
        # Not handed over, so not a try.
        tx.messages.save_messages(
            [_waiting(replace(message, tries=message.tries - 1), reason, due_at=due_at)]
        )


def _letters(tx: Transaction, leased: Sequence[Leased], sender: Sender) -> list[Handover]:
    templates = tx.messages.templates({each.message.organisation_id for each in leased})
    codes = {(each.organisation_id, each.name, each.language): each.codes for each in templates}
    handovers, said = [], []
    for each in leased:
        message = each.message
        carrier = sender.carrier_of(message.organisation_id, message.channel)
        assert carrier is not None  # those without one were given up above
        # The words as they leave are kept.
        message = replace(message, body=message.body.replace(ADDRESS, sender.public_url))
        said.append(message)
        own = codes.get((message.organisation_id, message.template, message.language), {})
        letter = Letter(
            message_id=message.message_id,
            address=each.contact.address,
            language=message.language.value,
            template=message.template,
            fields={name: text.replace(ADDRESS, sender.public_url) for name, text in message.fields.items()},
            subject=message.subject,
            body=message.body,
            code=own.get(message.channel.value, ""),
            opt_out_url=sender.opt_out_url(each.contact.contact_id),
        )
        handovers.append(
            Handover(
                letter=letter,
                carrier=carrier,
                organisation_id=message.organisation_id,
                channel=message.channel,
                tries=message.tries,
            )
        )
    tx.messages.save_messages(said)
    return handovers

"""Contacts, templates, and the outbox of words, in PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from compuerta.adapters.postgres import rows
from compuerta.adapters.postgres.rows import Asked, Row
from compuerta.domain.contact import Channel, Language, Topic
from compuerta.domain.tariff.tally import Span
from compuerta.services.charging import spans_between, spans_of_day
from compuerta.services.message_port import Contact, Leased, Message, MessageState, Template

# Leased again when the lease has ended: who had it died, and nobody knows whether it was sent.
_CLAIM = """
with due as (
    select message_id, state as was from message
    where (state = 'waiting' and due_at <= %(now)s) or (state = 'in_flight' and lease_until <= %(now)s)
    order by not urgent, due_at, message_id limit %(limit)s for update skip locked
)
update message m
set state = 'in_flight', tries = m.tries + 1, lease_until = %(until)s, lease_owner = %(owner)s
from due where m.message_id = due.message_id
returning m.*, due.was
"""
_LOAD_DAYS = """
select * from load_day
where meter_id = any(%(ids)s) and starts_at > %(since)s and starts_at <= %(until)s
order by meter_id, starts_at
"""
_REGISTERS = """
select distinct on (meter_id, date_trunc('hour', at)) meter_id, at, energy_wh from reading
where meter_id = any(%(ids)s) and at > %(since)s and at <= %(until)s and energy_wh is not null
order by meter_id, date_trunc('hour', at), at
"""
_LISTENERS = """
select a.account_id as of_account, c.* from account a
join contact c on c.account_id = a.account_id
    or (c.organisation_id = a.organisation_id and c.user_name is not null)
where a.account_id = any(%(ids)s) and c.opted_out_at is null and c.confirmed_at is not null
    and %(topic)s = any(c.wants)
order by a.account_id, c.user_name is not null, c.created_at, c.contact_id
"""
_SENT = """
select c.address, count(*) as messages
from contact c join message m using (contact_id)
where c.address = any(%(addresses)s) and m.sent_at >= %(since)s
group by c.address
"""


class PostgresMessages:
    """See `message_port.Messages`."""

    def __init__(self, tx: Asked) -> None:
        self._tx = tx

    def uses_of(self, meter_ids: Iterable[int], *, since: datetime, until: datetime) -> dict[int, list[Span]]:
        values = {"ids": sorted(set(meter_ids)), "since": since, "until": until}
        uses: dict[int, list[Span]] = {}
        for row in self._tx.query(_LOAD_DAYS, values):
            day = rows.to_load_day(row)
            uses.setdefault(day.meter_id, []).extend(spans_of_day(day))
        told: dict[int, dict[datetime, int]] = {}
        for row in self._tx.query(_REGISTERS, values):
            told.setdefault(row["meter_id"], {})[row["at"]] = row["energy_wh"]
        for meter_id, registers in told.items():
            found = uses.get(meter_id) or spans_between(registers)
            if found:
                uses[meter_id] = found
        return uses

    def listeners(self, account_ids: Iterable[int], *, topic: Topic) -> dict[int, list[Contact]]:
        found: dict[int, list[Contact]] = {}
        for row in self._tx.query(_LISTENERS, {"ids": sorted(set(account_ids)), "topic": topic.value}):
            of_account = row.pop("of_account")
            found.setdefault(of_account, []).append(_to_contact(row))
        return found

    def contacts_of(self, account_ids: Iterable[int]) -> list[Contact]:
        found = self._tx.query(
            """select * from contact where account_id = any(%(ids)s)
            order by account_id, created_at, contact_id""",
            {"ids": sorted(set(account_ids))},
        )
        return [_to_contact(row) for row in found]

    def staff_of(self, organisation_ids: Iterable[int], *, wants: Topic) -> list[Contact]:
        found = self._tx.query(
            """select * from contact
            where organisation_id = any(%(ids)s) and user_name is not null and %(topic)s = any(wants)
                and opted_out_at is null and confirmed_at is not null
            order by organisation_id, created_at, contact_id""",
            {"ids": sorted(set(organisation_ids)), "topic": wants.value},
        )
        return [_to_contact(row) for row in found]

    def contacts(self, contact_ids: Iterable[UUID]) -> dict[UUID, Contact]:
        found = self._tx.query(
            "select * from contact where contact_id = any(%(ids)s) order by contact_id for update",
            {"ids": sorted(set(contact_ids))},
        )
        return {row["contact_id"]: _to_contact(row) for row in found}

    def contacts_at(self, *, channel: Channel, address: str) -> list[Contact]:
        found = self._tx.query(
            """select * from contact where channel = %(channel)s and address = %(address)s
            order by created_at, contact_id""",
            {"channel": channel.value, "address": address},
        )
        return [_to_contact(row) for row in found]

    def put_contact(self, contact: Contact) -> None:
        self._tx.insert("contact", [_columns(contact)], on_conflict="(contact_id) do nothing")

    def save_contact(self, contact: Contact) -> None:
        self._tx.update(
            "contact",
            [_columns(contact)],
            key=("contact_id",),
            changed=(
                "channel", "address", "language", "wants", "confirmed_at", "opted_out_at", "code",
                "code_tries",
            ),
        )  # fmt: skip

    def opt_out(self, contact_id: UUID, *, at: datetime) -> None:
        self._tx.run(
            "update contact set opted_out_at = %(at)s where contact_id = %(id)s and opted_out_at is null",
            {"at": at, "id": contact_id},
        )

    def templates(self, organisation_ids: Iterable[int]) -> list[Template]:
        found = self._tx.query(
            """select * from message_template where organisation_id = any(%(ids)s)
            order by organisation_id, name, language""",
            {"ids": sorted(set(organisation_ids))},
        )
        return [Template(**{**row, "language": Language(row["language"])}) for row in found]

    def put_template(self, template: Template) -> None:
        self._tx.insert(
            "message_template",
            [rows.columns(template)],
            on_conflict="(organisation_id, name, language) do update set subject = excluded.subject, "
            "body = excluded.body, codes = excluded.codes, changed_by = excluded.changed_by, "
            "changed_at = excluded.changed_at",
        )

    def drop_template(self, organisation_id: int, *, name: str, language: Language) -> None:
        self._tx.run(
            """delete from message_template
            where organisation_id = %(id)s and name = %(name)s and language = %(language)s""",
            {"id": organisation_id, "name": name, "language": language.value},
        )

    def put_messages(self, messages: Sequence[Message]) -> None:
        self._tx.insert(
            "message", [rows.columns(each) for each in messages], on_conflict="(message_id) do nothing"
        )

    def claim_due(self, *, now: datetime, until: datetime, owner: str, limit: int) -> list[Leased]:
        found = self._tx.query(_CLAIM, {"now": now, "until": until, "owner": owner, "limit": limit})
        if not found:
            return []
        doubtful = {row["message_id"] for row in found if row.pop("was") == "in_flight"}
        leased = sorted(
            (to_message(row) for row in found),
            key=lambda each: (not each.urgent, each.due_at, each.message_id),
        )
        contacts = self._tx.query(
            "select * from contact where contact_id = any(%(ids)s) order by contact_id",
            {"ids": sorted({each.contact_id for each in leased})},
        )
        by_id = {row["contact_id"]: _to_contact(row) for row in contacts}
        return [
            Leased(message=each, contact=by_id[each.contact_id], doubtful=each.message_id in doubtful)
            for each in leased
        ]

    def save_messages(self, messages: Sequence[Message]) -> None:
        self._tx.update(
            "message",
            [rows.columns(each) for each in messages],
            key=("message_id",),
            changed=(
                "subject", "body", "state", "due_at", "tries", "lease_until", "lease_owner", "provider_id",
                "sent_at", "ended_at", "last_answer",
            ),
        )  # fmt: skip

    def messages(self, message_ids: Iterable[UUID]) -> dict[UUID, Message]:
        found = self._tx.query(
            "select * from message where message_id = any(%(ids)s) order by message_id for update",
            {"ids": sorted(set(message_ids))},
        )
        return {row["message_id"]: to_message(row) for row in found}

    def by_provider(self, *, channel: Channel, provider_id: str) -> Message | None:
        found = self._tx.query(
            """select * from message where channel = %(channel)s and provider_id = %(id)s
            order by created_at desc, message_id desc limit 1 for update""",
            {"channel": channel.value, "id": provider_id},
        )
        return to_message(found[0]) if found else None

    def sent_since(self, addresses: Iterable[str], *, since: datetime) -> dict[str, int]:
        found = self._tx.query(_SENT, {"addresses": sorted(set(addresses)), "since": since})
        return {row["address"]: row["messages"] for row in found}

    def waiting_of(self, contact_ids: Iterable[UUID]) -> list[Message]:
        found = self._tx.query(
            """select * from message where contact_id = any(%(ids)s) and state = 'waiting'
            order by contact_id, created_at, message_id for update""",
            {"ids": sorted(set(contact_ids))},
        )
        return [to_message(row) for row in found]

    def of_account(self, account_id: int, *, limit: int) -> list[Message]:
        found = self._tx.query(
            """select * from message where account_id = %(id)s
            order by created_at desc, message_id desc limit %(limit)s""",
            {"id": account_id, "limit": limit},
        )
        return [to_message(row) for row in found]


def _columns(contact: Contact) -> dict[str, object]:
    return {**rows.columns(contact), "wants": sorted(topic.value for topic in contact.wants)}


def _to_contact(row: Row) -> Contact:
    return Contact(
        **{
            **row,
            "channel": Channel(row["channel"]),
            "language": Language(row["language"]),
            "wants": frozenset(Topic(each) for each in row["wants"]),
        }
    )


def to_message(row: Row) -> Message:
    """Return a message as its row tells it."""
    return Message(
        **{
            **row,
            "channel": Channel(row["channel"]),
            "language": Language(row["language"]),
            "state": MessageState(row["state"]),
        }
    )

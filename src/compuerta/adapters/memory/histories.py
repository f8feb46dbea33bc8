"""The past, in memory: every row is looked at."""

from collections.abc import Collection, Iterator
from datetime import datetime
from operator import attrgetter
from typing import Final
from uuid import UUID

from compuerta.adapters.memory.tables import Tables
from compuerta.domain.ledger import Posting, PostingKind
from compuerta.domain.party import Account
from compuerta.services.freeze_port import Freeze
from compuerta.services.history_port import Charged, CodeSum, Fitted, Pending, Recharged, Tenancy
from compuerta.services.records import Instant, Reading, Recharge, SupplyChange

_TOLD: Final = ("energy_wh", "balance_minor", "relay")


class MemoryHistories:
    """See `history_port.Histories`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def tenancy(self, account_id: int) -> Tenancy | None:
        account = self._tables.accounts.get(account_id)
        return None if account is None else self._tenancy(account)

    def tenancies(self, site_ids: Collection[int], *, since: datetime, until: datetime) -> list[Tenancy]:
        found = [
            self._tenancy(each)
            for each in self._tables.accounts.values()
            if each.site_id in site_ids
            and each.period.start < until
            and (each.period.end is None or each.period.end > since)
        ]
        return sorted(found, key=attrgetter("account_id"))

    def sites_of(self, organisation_id: int) -> list[int]:
        accounts = self._tables.accounts.values()
        return sorted({each.site_id for each in accounts if each.organisation_id == organisation_id})

    def fitted(self, account_ids: Collection[int], *, since: datetime, until: datetime) -> list[Fitted]:
        found = []
        for (meter_id, started_at), (account_id, ended_at) in self._tables.installations.items():
            is_over = ended_at is not None and ended_at <= since
            if account_id in account_ids and started_at < until and not is_over:
                meter = self._tables.meters[meter_id]
                found.append(
                    Fitted(
                        account_id=account_id,
                        meter_id=meter_id,
                        meter_no=meter.meter_no,
                        credit_authority=meter.credit_authority,
                        started_at=started_at,
                        ended_at=ended_at,
                    )
                )
        return sorted(found, key=attrgetter("account_id", "started_at", "meter_id"))

    def sums(
        self, account_ids: Collection[int], *, since: datetime | None = None, until: datetime
    ) -> list[CodeSum]:
        sums: dict[tuple[int, PostingKind, str], int] = {}
        for posting in self._tables.postings.values():
            if posting.account_id in account_ids and posting.booked_at < until:
                if since is not None and posting.booked_at < since:
                    continue
                for line in posting.lines:
                    key = posting.account_id, posting.kind, line.code
                    sums[key] = sums.get(key, 0) + line.amount_minor
        named = sorted(sums.items(), key=lambda each: (each[0][0], each[0][1].value, each[0][2]))
        return [
            CodeSum(account_id=account_id, kind=kind, code=code, amount_minor=minor)
            for (account_id, kind, code), minor in named
        ]

    def postings(self, account_id: int, *, since: datetime, until: datetime) -> list[Posting]:
        found = [
            each
            for each in self._tables.postings.values()
            if each.account_id == account_id and since <= each.booked_at < until
        ]
        return sorted(found, key=attrgetter("booked_at", "posting_id"))

    def recharged(self, account_id: int, *, since: datetime, until: datetime) -> list[Recharged]:
        found = [each for each in self._recharged(account_id) if since <= each.booked_at < until]
        return sorted(found, key=attrgetter("booked_at", "recharge_id"))

    def charged(self, account_id: int, *, since: datetime, until: datetime) -> list[Charged]:
        found = [each for each in self._charged(account_id) if since <= each.booked_at < until]
        return sorted(found, key=attrgetter("read_at", "booked_at", "charge_id"))

    def used(self, account_ids: Collection[int], *, since: datetime, until: datetime) -> dict[int, int]:
        used: dict[int, int] = {}
        for account_id in account_ids:
            for each in self.charged(account_id, since=since, until=until):
                used[account_id] = used.get(account_id, 0) + each.used_wh
        return used

    def learnt_later(self, account_id: int, *, at: datetime) -> tuple[int, int]:
        recharged = [
            each.credit_minor for each in self._recharged(account_id) if each.paid_at <= at < each.booked_at
        ]
        charged = [
            each.amount_minor for each in self._charged(account_id) if each.read_at <= at < each.booked_at
        ]
        return sum(recharged), -sum(charged)

    def last_told(self, meter_id: int, *, at: datetime) -> list[Reading]:
        told = [
            each for each in self._tables.readings.values() if each.meter_id == meter_id and each.at <= at
        ]
        last = {}
        for name in _TOLD:
            of_it = [each for each in told if getattr(each, name) is not None]
            if of_it:
                newest = max(of_it, key=attrgetter("at"))
                last[newest.at] = newest
        return [last[each] for each in sorted(last, reverse=True)]

    def decided(self, account_id: int, *, at: datetime) -> SupplyChange | None:
        changes = self._tables.supply_changes
        of_it = [each for each in changes if each.account_id == account_id and each.at <= at]
        return max(of_it, key=attrgetter("at"), default=None)

    def pending(self, account_id: int, *, at: datetime) -> list[Pending]:
        found = [
            each
            for each in self._tables.instructions.values()
            if each.account_id == account_id
            and each.created_at <= at
            and (each.ended_at is None or each.ended_at > at)
        ]
        return [
            Pending(
                kind=each.kind.value,
                created_at=each.created_at,
                ended_at=each.ended_at,
                amount_minor=each.amount_minor,
                state=each.state.value,
            )
            for each in sorted(found, key=attrgetter("created_at", "instruction_id"))
        ]

    def frozen(self, meter_id: int, *, at: datetime, known_by: datetime) -> Freeze | None:
        known = [
            each
            for each in self._tables.freezes.values()
            if each.meter_id == meter_id and each.at <= at and each.known_at <= known_by
        ]
        return max(known, key=attrgetter("day", "version"), default=None)

    def _tenancy(self, account: Account) -> Tenancy:
        return Tenancy(
            account_id=account.account_id,
            organisation_id=account.organisation_id,
            organisation=self._tables.organisations[account.organisation_id],
            site_id=account.site_id,
            site=self._tables.sites[account.site_id].name,
            zone=account.zone,
            currency=account.currency,
            building=account.building,
            place=account.supply_point,
            kind=account.kind,
            name=account.name,
            opened_at=account.period.start,
            closed_at=account.period.end,
        )

    def _recharged(self, account_id: int) -> Iterator[Recharged]:
        payments = {each.payment_id: each for each in self._tables.payments.values()}
        for each in self._tables.recharges.values():
            if each.account_id != account_id:
                continue
            payment = None if each.payment_id is None else payments[each.payment_id]
            posted = self._tables.instants[each.recharge_id, Instant.POSTED]
            # What a meter that was exchanged had left was paid to the other one.
            paid = self._tables.instants.get((each.recharge_id, Instant.PAID), posted)
            yield Recharged(
                account_id=account_id,
                recharge_id=each.recharge_id,
                grant_id=_grant(each),
                provider="" if payment is None else payment.provider,
                reference="" if payment is None else payment.reference,
                paid_minor=each.paid_minor,
                credit_minor=each.credit_minor,
                booked_at=posted.at,
                paid_at=paid.at,
                lines=self._tables.recharge_lines.get(each.recharge_id, ()),
            )

    def _charged(self, account_id: int) -> Iterator[Charged]:
        """Charges that came to nothing have no posting: they are as of their reading."""
        booked = {
            each.cause_id: each.booked_at
            for each in self._tables.postings.values()
            if each.account_id == account_id and each.kind is PostingKind.CHARGE
        }
        for each in self._tables.charges.values():
            if each.account_id == account_id:
                yield Charged(
                    account_id=account_id,
                    charge_id=each.charge_id,
                    booked_at=booked.get(each.charge_id, each.read_at),
                    read_at=each.read_at,
                    used_wh=each.to_wh - each.from_wh,
                    amount_minor=each.bill_after_minor - each.bill_before_minor,
                )


def _grant(recharge: Recharge) -> UUID:
    granted_by = recharge.payment_id or recharge.adjustment_id
    assert granted_by is not None, "a recharge is granted by one of the two"
    return granted_by

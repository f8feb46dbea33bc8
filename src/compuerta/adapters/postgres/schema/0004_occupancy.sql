-- Moving in and out: who lives where, who pays while nobody does, and meters that are exchanged.

alter table supply_point
    add building text not null default '',
    add floor integer;
create unique index supply_point_name on supply_point (site_id, building, name) where name <> '-';

-- A house account is the landlord's own at a supply point: it pays while nobody lives there. A feeder account
-- buys nothing: its meter measures what goes into a building.
alter table account
    drop constraint account_kind_check,
    add constraint account_kind_check check (kind in ('customer', 'suspense', 'house', 'feeder')),
    drop constraint account_has_a_tariff,
    add constraint account_has_a_tariff check ((kind in ('customer', 'house')) = (tariff_id is not null));

-- Credit is granted by a payment, or by an adjustment: credit that is carried from meter to meter.
create table adjustment (
    account_id bigint not null,
    adjustment_id uuid not null,
    kind text not null check (kind in ('carried')),
    amount_minor bigint not null check (amount_minor > 0),
    who text not null,
    why text not null check (why <> ''),
    at timestamptz not null,
    primary key (account_id, adjustment_id)
);
comment on table adjustment is 'distributed: credit that no payment grants, with its reason; append-only';
alter table recharge
    alter payment_id drop not null,
    add adjustment_id uuid,
    add foreign key (account_id, adjustment_id) references adjustment,
    add constraint recharge_is_granted_by_one check (num_nonnulls(payment_id, adjustment_id) = 1);
create unique index recharge_of_adjustment on recharge (account_id, adjustment_id)
    where adjustment_id is not null;

alter table posting
    drop constraint posting_kind_check,
    add constraint posting_kind_check check (
        kind in ('recharge', 'suspense', 'delivery', 'charge', 'reversal', 'deposit', 'settlement', 'carried')
    );

-- One row per act of moving: what was read, and how money was settled. The id is the caller's.
create table move (
    organisation_id bigint not null references organisation,
    move_id uuid not null,
    kind text not null check (kind in ('in', 'out', 'exchange', 'swap')),
    at timestamptz not null,
    closed_account_id bigint, -- whose time ended
    opened_account_id bigint, -- whose time began
    old_meter_id bigint,
    new_meter_id bigint,
    closing_wh bigint check (closing_wh >= 0),
    opening_wh bigint check (opening_wh >= 0),
    settled jsonb not null default '{}', -- amounts by what they were, for the receipt
    who text not null,
    why text not null check (why <> ''),
    primary key (organisation_id, move_id)
);
comment on table move is 'reference: moving in, moving out, exchanging rooms and meters; append-only';

do $$
declare
    kept text;
begin
    foreach kept in array array['adjustment', 'move'] loop
        execute format(
            'create trigger %I before update or delete on %I for each row execute function refuse_change()',
            kept || '_is_kept', kept
        );
        execute format(
            'create trigger %I before truncate on %I for each statement execute function refuse_change()',
            kept || '_is_kept_whole', kept
        );
    end loop;
end $$;
grant select, insert on adjustment, move to compuerta_work;

-- What a payment goes through: a wish to buy is an order, an order has attempts at providers, an attempt may
-- be paid, a payment is divided, and what is left of it is credit.

-- An organisation is real or on trial; an account at a provider is as its organisation is, so that money that
-- does not exist is never credited to anybody who pays with real money.
alter table organisation
    add live boolean not null default true,
    add constraint organisation_is_one_of_two unique (organisation_id, live);
alter table provider_account
    add live boolean not null default true,
    add constraint provider_account_is_as_its_organisation
        foreign key (organisation_id, live) references organisation (organisation_id, live);

create table payment_order (
    account_id bigint not null,
    order_id uuid not null,
    door text not null check (door in ('page', 'till', 'app', 'biller')),
    caller text not null default '', -- who asked for it: a cashier, the name of a key; '' = a resident
    caller_reference text not null default '', -- the caller's own number of it
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    created_at timestamptz not null,
    primary key (account_id, order_id)
);
comment on table payment_order is 'distributed: what somebody wants to buy; has attempts; append-only';

alter table attempt
    add order_id uuid,
    add flow text not null default 'qr' check (
        flow in ('qr', 'wallet', 'app', 'web', 'desktop', 'code', 'prompt', 'cash', 'biller')
    ),
    add payer text not null default '', -- what the flow asks for: an open id, a phone, the code on a phone
    add foreign key (account_id, order_id) references payment_order;
-- Money that nobody ordered is for whom the payer has typed: a meter's number, or a room's name.
create index supply_point_of_name on supply_point (name);

-- What is owed from before, and taken from recharges by its rank. Only `remaining_minor`, `suspended_until`
-- and `share_ppm` ever change.
create table debt (
    account_id bigint not null,
    debt_id uuid not null,
    kind text not null check (kind in ('arrears', 'charge_back', 'reconnection', 'other')),
    name text not null check (name <> ''), -- as the receipt says it
    rank integer not null default 100, -- the lowest is paid first
    opened_minor bigint not null check (opened_minor > 0),
    remaining_minor bigint not null check (remaining_minor between 0 and opened_minor),
    share_ppm integer check (share_ppm between 0 and 1000000), -- of each recharge; null = as the policy says
    least_minor bigint not null default 0 check (least_minor >= 0), -- ... and at least this
    suspended_until timestamptz,
    opened_at timestamptz not null,
    opened_by text not null,
    why text not null check (why <> ''),
    cause_id uuid not null, -- the posting that opened it
    primary key (account_id, debt_id)
);
comment on table debt is 'distributed: what an account owes from before; recharges recover it';
create index debt_open on debt (account_id, rank) where remaining_minor > 0;

-- The lines of a recharge: together they are what was paid (promise M3).
create table recharge_line (
    account_id bigint not null,
    recharge_id uuid not null,
    line_no integer not null check (line_no > 0),
    kind text not null check (kind in ('emergency', 'energy', 'debt', 'fixed', 'fee', 'tax', 'change')),
    name text not null,
    amount_minor bigint not null check (amount_minor > 0),
    debt_id uuid,
    remaining_minor bigint check (remaining_minor >= 0), -- of the debt, after it
    period text not null default '', -- the month that a fixed charge is of, such as 2026-11
    primary key (account_id, recharge_id, line_no),
    foreign key (account_id, recharge_id) references recharge,
    foreign key (account_id, debt_id) references debt,
    constraint recharge_line_of_a_debt check (num_nonnulls(debt_id, remaining_minor)
        = case kind when 'debt' then 2 else 0 end),
    constraint recharge_line_has_its_period check ((kind = 'fixed') = (period <> ''))
);
comment on table recharge_line is 'distributed: what each part of a payment was for; append-only (promise M3)';
-- Until now all of a recharge was credit.
insert into recharge_line (account_id, recharge_id, line_no, kind, name, amount_minor)
select account_id, recharge_id, 1, 'energy', '', credit_minor from recharge
where payment_id is not null and credit_minor > 0;
-- A month is paid for once, whoever pays first.
create unique index recharge_line_of_month on recharge_line (account_id, period, name) where kind = 'fixed';

alter table posting
    drop constraint posting_kind_check,
    add constraint posting_kind_check check (
        kind in (
            'recharge', 'suspense', 'delivery', 'charge', 'reversal', 'deposit', 'settlement', 'carried',
            'debt', 'withdrawal', 'refund', 'placement', 'dispute', 'write_off', 'shift', 'provider_fee'
        )
    );

do $$
declare
    kept text;
begin
    foreach kept in array array['payment_order', 'recharge_line'] loop
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
grant select, insert on payment_order, recharge_line to compuerta_work;
grant select, insert, update on debt to compuerta_work;

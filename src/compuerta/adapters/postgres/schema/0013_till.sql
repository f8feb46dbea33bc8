-- The till: nobody sells outside a shift, every sale has a number, and every number a sale.
create table till (
    provider text primary key references provider_account,
    organisation_id bigint not null references organisation,
    site_id bigint references site, -- null = sells for all
    currency text not null,
    drawer_max_minor bigint check (drawer_max_minor > 0), -- more cash than this is to be taken to the safe
    receipt_no_last bigint not null default 0 check (receipt_no_last >= 0),
    shift_no_last integer not null default 0 check (shift_no_last >= 0)
);
comment on table till is 'reference: a till, with the last numbers that it gave out';

create table shift (
    provider text not null references till,
    shift_id uuid not null,
    organisation_id bigint not null references organisation,
    shift_no integer not null check (shift_no > 0), -- the number of its Z report
    cashier text not null,
    opened_at timestamptz not null,
    float_minor bigint not null check (float_minor >= 0),
    counted_minor bigint check (counted_minor >= 0), -- blind: before the cashier sees what should be there
    counted_at timestamptz,
    expected_minor bigint,
    denominations jsonb not null default '{}', -- {"100": 3}: three notes of a hundred, if counted so
    reason text not null default '', -- why there is more or less
    accepted_by text,
    closed_at timestamptz,
    primary key (provider, shift_id),
    unique (provider, shift_no),
    constraint shift_is_counted check (num_nonnulls(counted_minor, counted_at, expected_minor) in (0, 3)),
    constraint shift_closes_counted check (closed_at is null or counted_at is not null),
    constraint shift_is_accepted_by_another check (accepted_by <> cashier),
    constraint shift_differs_by_two_persons check (
        closed_at is null or counted_minor = expected_minor or (accepted_by is not null and reason <> '')
    )
);
comment on table shift is 'reference: a cashier at a till, from float to count';
-- Counted, it is over at the till: the next may begin while a difference waits for a second person.
create unique index shift_open on shift (provider) where counted_at is null;
create index shift_by_id on shift (shift_id);
create unique index shift_of_cashier on shift (organisation_id, cashier) where counted_at is null;

create table cash_movement (
    provider text not null,
    movement_id uuid not null,
    organisation_id bigint not null references organisation,
    shift_id uuid not null,
    kind text not null check (kind in ('float', 'drop', 'payout', 'refund', 'move', 'count')),
    amount_minor bigint not null check (amount_minor <> 0), -- into the drawer; out of it is negative
    why text not null,
    who text not null,
    at timestamptz not null,
    primary key (provider, movement_id),
    foreign key (provider, shift_id) references shift
);
comment on table cash_movement is 'reference: cash that goes in or out without a sale; append-only';
create index cash_movement_of_shift on cash_movement (provider, shift_id);

create table till_sale (
    account_id bigint not null,
    attempt_id uuid not null,
    organisation_id bigint not null references organisation,
    provider text not null,
    shift_id uuid not null,
    receipt_no bigint check (receipt_no > 0), -- null until a customer's phone has paid
    tenders jsonb not null, -- {"cash": 5000, "card": 3000}; cash is what was handed over
    change_minor bigint not null default 0 check (change_minor >= 0),
    note text not null default '', -- the number of a cheque, of a transfer, of a card terminal's slip
    sold_by text not null,
    sold_at timestamptz not null,
    voided_at timestamptz,
    voided_by text,
    void_why text,
    void_receipt_no bigint,
    primary key (account_id, attempt_id),
    constraint till_sale_is_voided_by_another check (voided_by <> sold_by),
    constraint till_sale_voided_has_numbers check (
        num_nonnulls(voided_at, voided_by, void_why, void_receipt_no) in (0, 4)
        and (voided_at is null or receipt_no is not null)
    ),
    foreign key (provider, shift_id) references shift,
    unique (provider, receipt_no),
    unique (provider, void_receipt_no)
);
create index till_sale_of_shift on till_sale (provider, shift_id, receipt_no);
comment on table till_sale is 'reference: a sale at a till under its number; its payment is in the ledger';

do $$
begin
    execute 'create trigger cash_movement_is_kept before update or delete on cash_movement '
        'for each row execute function refuse_change()';
    execute 'create trigger cash_movement_is_kept_whole before truncate on cash_movement '
        'for each statement execute function refuse_change()';
end $$;
grant select, insert, update on till, shift, till_sale to compuerta_work;
grant select, insert on cash_movement to compuerta_work;

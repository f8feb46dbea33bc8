-- The closed loop: parties, money, instructions, readings.
--
-- Two kinds of tables, told by the first word of their comment and held by a test:
--   distributed: rows of money, readings and instructions. Primary and unique keys begin with account_id
--                (or meter_id), foreign keys between such tables include it: Citus can shard them unchanged.
--   reference:   small, read by all, written seldom; or an index of outside references across accounts.

-- In PL/pgSQL, whose plans are kept: as SQL functions these two cost more than the insert that they check.
create function sums_to_zero(amounts bigint[]) returns boolean
    language plpgsql immutable parallel safe as $$
declare
    amount bigint;
    total numeric := 0;
begin
    foreach amount in array amounts loop
        total := total + amount;
    end loop;
    return total = 0;
end $$;

create function has_zero(amounts bigint[]) returns boolean
    language plpgsql immutable parallel safe as $$
declare
    amount bigint;
begin
    foreach amount in array amounts loop
        if amount is null or amount = 0 then
            return true;
        end if;
    end loop;
    return cardinality(amounts) = 0;
end $$;

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: put a mistake right by a new row that names it', tg_table_name
        using errcode = 'restrict_violation';
end $$;

-- Parties ---------------------------------------------------------------------------------------------

create table organisation (
    organisation_id bigint generated always as identity primary key,
    name text not null check (name <> '')
);
comment on table organisation is 'reference: a landlord, manager or utility';

create table site (
    site_id bigint generated always as identity primary key,
    organisation_id bigint not null references organisation,
    name text not null check (name <> ''),
    zone text not null,
    currency text not null check (currency ~ '^[A-Z]{3}$')
);
comment on table site is 'reference: a building or compound, with its zone and currency';

create table supply_point (
    supply_point_id bigint generated always as identity primary key,
    site_id bigint not null references site,
    name text not null check (name <> ''),
    pay_token uuid not null unique
);
comment on table supply_point is 'reference: where electricity is delivered; its token is on the QR sticker';

create table endpoint (
    endpoint_id text primary key,
    organisation_id bigint not null references organisation,
    road text not null check (road in ('4g', 'rs485')),
    address text not null,
    baud integer check (baud in (600, 1200, 2400, 4800, 9600, 19200)),
    unique (road, address)
);
comment on table endpoint is 'reference: the end of a road: a module that dials in, or a serial bus';

create table endpoint_state (
    endpoint_id text primary key references endpoint,
    alive boolean not null,
    gateway text not null,
    changed_at timestamptz not null
);
comment on table endpoint_state is 'reference: whether the end of a road is reached now, and by which gateway';

create table meter (
    meter_id bigint generated always as identity primary key,
    organisation_id bigint not null references organisation,
    meter_no text not null unique check (meter_no ~ '^[0-9]{12}$'),
    model text not null,
    credit_authority text not null check (credit_authority in ('meter', 'platform')),
    customer_no text not null check (customer_no ~ '^[0-9]{12}$'),
    endpoint_id text not null references endpoint,
    road text not null check (road in ('4g', 'rs485'))
);
comment on table meter is 'reference: a device with an address and a model';

create table account (
    account_id bigint generated always as identity primary key,
    organisation_id bigint not null references organisation,
    site_id bigint not null references site,
    supply_point_id bigint not null references supply_point,
    kind text not null check (kind in ('customer', 'suspense')),
    name text not null,
    price_per_kwh numeric(8, 4) not null check (price_per_kwh >= 0),
    opened_at timestamptz not null,
    closed_at timestamptz check (closed_at >= opened_at)
);
comment on table account is 'reference: one party''s prepaid contract at a supply point';
create unique index account_open on account (supply_point_id) where closed_at is null;

create table installation (
    meter_id bigint not null references meter,
    account_id bigint not null references account,
    started_at timestamptz not null,
    ended_at timestamptz check (ended_at >= started_at),
    primary key (meter_id, started_at)
);
comment on table installation is 'reference: which meter measures for which account, from when to when';
create unique index installation_of_meter on installation (meter_id) where ended_at is null;
create unique index installation_of_account on installation (account_id) where ended_at is null;

create table provider_account (
    provider text primary key,
    organisation_id bigint not null references organisation,
    kind text not null,
    suspense_account_id bigint not null references account
);
comment on table provider_account is 'reference: an account at a payment provider, or a till';

create table api_key (
    key_hash bytea primary key,
    organisation_id bigint not null references organisation,
    name text not null,
    scopes text[] not null default '{}',
    created_at timestamptz not null,
    revoked_at timestamptz
);
comment on table api_key is 'reference: what machines sign in with; only the hash is kept';

-- Money -----------------------------------------------------------------------------------------------

create table account_state (
    account_id bigint primary key references account,
    undelivered_minor bigint not null default 0 check (undelivered_minor >= 0),
    delivered_minor bigint not null default 0,
    register_wh bigint check (register_wh >= 0),
    register_at timestamptz,
    billed_wh bigint not null default 0 check (billed_wh >= 0),
    billing_held boolean not null default false,
    awaits_closing boolean not null default false
) with (fillfactor = 70);
comment on table account_state is 'distributed: what postings have made of an account; the row that is locked';

create table attempt (
    account_id bigint not null,
    attempt_id uuid not null,
    provider text not null,
    reference text not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    description text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null check (expires_at > created_at),
    state text not null check (state in ('created', 'presented', 'expired', 'closed', 'paid')),
    watched_until timestamptz,
    ask_at timestamptz,
    asks integer not null default 0,
    presented text,
    primary key (account_id, attempt_id)
) with (fillfactor = 70);
comment on table attempt is 'distributed: one order at one provider; may never be paid, or be paid late';
create index attempt_to_ask on attempt (ask_at) where ask_at is not null;

create table payment_reference (
    provider text not null,
    kind text not null check (kind in ('order', 'transaction')),
    reference text not null,
    account_id bigint not null,
    row_id uuid not null,
    primary key (provider, kind, reference)
);
comment on table payment_reference is
    'reference: providers'' order and transaction numbers, unique across accounts (promise M2)';
create unique index payment_reference_row on payment_reference (row_id) where kind = 'order';

create table payment (
    account_id bigint not null,
    payment_id uuid not null,
    provider text not null,
    transaction_no text not null,
    reference text not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    paid_at timestamptz not null,
    posted_at timestamptz not null,
    verdict text not null check (verdict in ('credited', 'suspended')),
    primary key (account_id, payment_id),
    unique (account_id, provider, transaction_no)
);
comment on table payment is 'distributed: money that a provider says it has; append-only (promises M2, M5)';

create table posting (
    account_id bigint not null,
    posting_id uuid not null,
    kind text not null check (kind in ('recharge', 'suspense', 'delivery', 'charge', 'reversal')),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    codes text[] not null,
    amounts_minor bigint[] not null,
    booked_at timestamptz not null,
    cause_id uuid not null,
    reverses uuid,
    primary key (account_id, posting_id),
    foreign key (account_id, reverses) references posting,
    constraint posting_sums_to_zero check (sums_to_zero(amounts_minor)),
    constraint posting_has_no_empty_line check (not has_zero(amounts_minor)),
    constraint posting_lines_match
        check (cardinality(codes) = cardinality(amounts_minor) and cardinality(codes) between 2 and 32),
    constraint posting_reversal_names check ((kind = 'reversal') = (reverses is not null))
);
comment on table posting is 'distributed: one event in money; sums to zero; append-only (promises M1, M5)';
create unique index posting_once on posting (account_id, cause_id, kind) where kind <> 'reversal';
create unique index posting_reversed_once on posting (account_id, reverses) where reverses is not null;

create view posting_line as
    select account_id, posting_id, kind, currency, booked_at, cause_id, code, amount_minor
    from posting, unnest(codes, amounts_minor) as line (code, amount_minor);

create table recharge (
    account_id bigint not null,
    recharge_id uuid not null,
    payment_id uuid not null,
    meter_id bigint not null,
    paid_minor bigint not null check (paid_minor > 0),
    credit_minor bigint not null check (credit_minor >= 0),
    fixed_minor bigint not null default 0 check (fixed_minor >= 0),
    debt_minor bigint not null default 0 check (debt_minor >= 0),
    fee_minor bigint not null default 0 check (fee_minor >= 0),
    tax_minor bigint not null default 0 check (tax_minor >= 0),
    change_minor bigint not null default 0 check (change_minor >= 0),
    primary key (account_id, recharge_id),
    unique (account_id, payment_id),
    foreign key (account_id, payment_id) references payment,
    constraint recharge_is_divided_whole check (
        paid_minor = credit_minor + fixed_minor + debt_minor + fee_minor + tax_minor + change_minor
    )
);
comment on table recharge is 'distributed: how a payment was divided; append-only (promises M2, M3)';

create table recharge_instant (
    account_id bigint not null,
    recharge_id uuid not null,
    instant text not null check (instant in ('paid', 'posted', 'credited', 'closed')),
    at timestamptz not null,
    primary key (account_id, recharge_id, instant),
    foreign key (account_id, recharge_id) references recharge
);
comment on table recharge_instant is 'distributed: when a recharge was paid, posted, credited, and seen on';

create table charge (
    account_id bigint not null,
    charge_id uuid not null,
    meter_id bigint not null,
    read_at timestamptz not null,
    from_wh bigint not null check (from_wh >= 0),
    to_wh bigint not null check (to_wh > from_wh),
    bill_before_minor bigint not null,
    bill_after_minor bigint not null check (bill_after_minor >= bill_before_minor),
    price_per_kwh numeric(8, 4) not null,
    amount_minor bigint generated always as (bill_after_minor - bill_before_minor) stored,
    primary key (account_id, charge_id),
    unique (account_id, from_wh)
);
comment on table charge is
    'distributed: what use has cost, as the difference of two bills; append-only (promise M4)';

create table warning (
    account_id bigint not null,
    level_minor bigint not null,
    balance_minor bigint not null,
    at timestamptz not null,
    primary key (account_id, at, level_minor)
);
comment on table warning is 'distributed: a balance fell through a level';

create table case_file (
    account_id bigint not null,
    case_id uuid not null,
    kind text not null,
    detail text not null,
    opened_at timestamptz not null,
    owner text,
    outcome text,
    closed_at timestamptz,
    primary key (account_id, case_id),
    constraint case_ends_with_an_outcome check ((closed_at is null) = (outcome is null))
);
comment on table case_file is 'distributed: a difference or doubt that a person has to look at';

-- Meters ----------------------------------------------------------------------------------------------

create table meter_state (
    meter_id bigint primary key references meter,
    purchase_no_last bigint not null default 0 check (purchase_no_last >= 0),
    purchase_no bigint check (purchase_no >= 0),
    wanted_closed boolean,
    wanted_reason text not null default '',
    relay text check (relay in ('open', 'permitted', 'closed')),
    energy_wh bigint,
    balance_minor bigint,
    power_w bigint,
    flags text[] not null default '{}',
    read_at timestamptz,
    heard_at timestamptz
) with (fillfactor = 70);
comment on table meter_state is 'distributed: the last that is known of a meter, and what is wanted of it';

create table instruction (
    meter_id bigint not null,
    instruction_id uuid not null,
    account_id bigint not null,
    kind text not null check (kind in ('recharge', 'switch')),
    state text not null
        check (state in ('waiting', 'in_flight', 'accepted', 'done', 'refused', 'superseded')),
    created_at timestamptz not null,
    due_at timestamptz not null,
    amount_minor bigint check (amount_minor > 0),
    purchase_no bigint check (purchase_no > 0),
    recharge_id uuid,
    relay_closed boolean,
    reason text not null default '',
    tries integer not null default 0,
    lease_until timestamptz,
    lease_owner text not null default '',
    ended_at timestamptz,
    last_answer text not null default '',
    primary key (meter_id, instruction_id),
    constraint instruction_purchase_no_once unique (meter_id, purchase_no),
    constraint instruction_delivers_once unique (meter_id, recharge_id),
    constraint instruction_is_whole check (
        case kind
            when 'recharge' then num_nulls(amount_minor, purchase_no, recharge_id) = 0 and relay_closed is null
            when 'switch' then num_nulls(amount_minor, purchase_no, recharge_id) = 3 and relay_closed is not null
        end
    ),
    constraint instruction_ends_once check ((ended_at is null) = (state in ('waiting', 'in_flight', 'accepted'))),
    constraint instruction_is_leased check ((state = 'in_flight') = (lease_until is not null)),
    constraint recharge_is_never_superseded check (kind <> 'recharge' or state <> 'superseded')
) with (fillfactor = 70);
comment on table instruction is
    'distributed: what a meter has to do: written before it is sent, ends with evidence (promises D1-D3)';
create unique index instruction_in_flight on instruction (meter_id) where state = 'in_flight';
create index instruction_open on instruction (due_at) where ended_at is null;
create index instruction_open_of_meter on instruction (meter_id, created_at) where ended_at is null;

create table reading (
    meter_id bigint not null,
    at timestamptz not null,
    energy_wh bigint check (energy_wh >= 0),
    balance_minor bigint,
    relay text check (relay in ('open', 'permitted', 'closed')),
    purchase_no bigint,
    power_w bigint,
    primary key (meter_id, at)
);
comment on table reading is 'distributed: what a meter said of itself at an instant; append-only';

create table supply_hold (
    meter_id bigint not null,
    hold_id uuid not null,
    kind text not null check (kind in ('safety', 'administrator', 'protected', 'temporary')),
    owner text not null,
    note text not null check (note <> ''),
    started_at timestamptz not null,
    ended_at timestamptz check (ended_at >= started_at),
    primary key (meter_id, hold_id)
);
comment on table supply_hold is 'distributed: a named reason to keep supply off, or on';

-- People ----------------------------------------------------------------------------------------------

create table alarm (
    kind text not null,
    subject text not null,
    detail text not null,
    times bigint not null default 1,
    first_at timestamptz not null,
    last_at timestamptz not null,
    acknowledged_by text,
    primary key (kind, subject)
);
comment on table alarm is 'reference: what went wrong at a border; repeats are counted, not listed again';

create table inbound_message (
    inbound_id uuid primary key,
    provider text not null,
    heard_at timestamptz not null,
    headers jsonb not null,
    body bytea not null,
    verdict text not null
);
comment on table inbound_message is 'reference: providers'' messages as they came, whatever became of them';

create table audit (
    organisation_id bigint not null references organisation,
    audit_id uuid not null,
    at timestamptz not null,
    who text not null,
    what text not null,
    why text not null,
    origin text not null,
    subject text not null,
    before text not null,
    after text not null,
    primary key (organisation_id, audit_id)
);
comment on table audit is 'reference: who changed what, why, from where; append-only (promise A2)';

create table role_beat (
    role text not null,
    instance text not null,
    started_at timestamptz not null,
    beat_at timestamptz not null,
    primary key (role, instance)
);
comment on table role_beat is 'reference: which processes are alive';

-- The road of a recharge, one row each, for screens and for the figures against the ten seconds.
create view recharge_timeline as
    select
        r.account_id, r.recharge_id, r.payment_id, r.meter_id, r.paid_minor, r.credit_minor,
        p.provider, p.transaction_no, p.reference, p.currency,
        max(i.at) filter (where i.instant = 'paid') as paid_at,
        max(i.at) filter (where i.instant = 'posted') as posted_at,
        max(i.at) filter (where i.instant = 'credited') as credited_at,
        max(i.at) filter (where i.instant = 'closed') as closed_at
    from recharge r
    join payment p using (account_id, payment_id)
    left join recharge_instant i using (account_id, recharge_id)
    group by r.account_id, r.recharge_id, p.account_id, p.payment_id;

-- Append-only, twice: by privilege for the role that the program works as, and by trigger for all others.
do $$
declare
    kept text;
begin
    foreach kept in array array[
        'payment', 'posting', 'recharge', 'recharge_instant', 'charge', 'reading', 'warning',
        'inbound_message', 'audit', 'payment_reference'
    ] loop
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

-- Only what this file has made, and never to delete: the console keeps passwords and sessions in the same schema.
do $$
declare
    ours regclass;
begin
    if not exists (select from pg_roles where rolname = 'compuerta_work') then
        create role compuerta_work nologin;
    end if;
    execute format('grant compuerta_work to %I', current_user);
    execute format('grant usage on schema %I to compuerta_work', current_schema);
    for ours in
        select oid from pg_class
        where relnamespace = current_schema::regnamespace
            and obj_description(oid, 'pg_class') ~ '^(distributed|reference): '
        order by relname
    loop
        execute format('grant select, insert, update on %s to compuerta_work', ours);
    end loop;
end $$;

grant select on posting_line, recharge_timeline to compuerta_work;

revoke update on
    payment, posting, recharge, recharge_instant, charge, reading, warning, inbound_message, audit,
    payment_reference
    from compuerta_work;
revoke insert, update on api_key from compuerta_work;

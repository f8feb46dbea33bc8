-- Days of sites: freezes, and each account's day in money and energy.
create table site_day (
    site_id bigint not null references site,
    day date not null, -- the site's own
    organisation_id bigint not null references organisation,
    zone text not null, -- as it was then
    currency text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > starts_at),
    step text not null check (step in ('freezing', 'rolling', 'weighing', 'sealing', 'reporting', 'done')),
    due_at timestamptz, -- null = nothing is expected any more
    version integer not null default 1 check (version > 0),
    meters integer not null default 0 check (meters >= 0),
    valid integer not null default 0 check (valid >= 0),
    provisional integer not null default 0 check (provisional >= 0),
    missing integer not null default 0 check (missing >= 0),
    done_at timestamptz,
    primary key (site_id, day)
);
comment on table site_day is 'reference: a day of a site, and how far its end has come';
create index site_day_due on site_day (due_at) where due_at is not null;

create table meter_freeze (
    meter_id bigint not null,
    day date not null,
    version integer not null check (version > 0),
    site_id bigint not null,
    account_id bigint not null,
    at timestamptz not null, -- the midnight that ends the day
    basis text not null check (basis in ('meter', 'reading', 'provisional', 'missing', 'held')),
    known_at timestamptz not null,
    energy_wh bigint check (energy_wh >= 0),
    rates_wh bigint[],
    balance_minor bigint,
    clock_off_s integer,
    reason text not null default '',
    primary key (meter_id, day, version),
    constraint meter_freeze_missing_is_not_zero check ((basis = 'missing') <= (energy_wh is null))
);
comment on table meter_freeze is 'distributed: what a meter showed at midnight; append-only, by versions (promise T2)';
create index meter_freeze_of_day on meter_freeze (site_id, day);

create table account_day (
    account_id bigint not null,
    day date not null,
    version integer not null check (version > 0),
    site_id bigint not null,
    opening_minor bigint not null,
    recharged_minor bigint not null,
    adjusted_minor bigint not null,
    charged_minor bigint not null,
    closing_minor bigint not null,
    undelivered_minor bigint not null,
    postings integer not null check (postings >= 0),
    opening_wh bigint,
    closing_wh bigint,
    used_wh bigint,
    is_provisional boolean not null default false,
    primary key (account_id, day, version),
    constraint account_day_adds_up check (
        closing_minor = opening_minor + recharged_minor + adjusted_minor - charged_minor
    )
);
comment on table account_day is 'distributed: an account''s day in money and energy; append-only, by versions (promise T1)';
create index account_day_of_site on account_day (site_id, day);

create table account_weight (
    account_id bigint primary key,
    meter_id bigint not null,
    at timestamptz not null,
    energy_wh bigint not null check (energy_wh >= 0),
    rates_wh bigint[],
    tally bigint[] not null,
    charged_wh bigint not null check (charged_wh >= 0),
    unread_minor bigint not null,
    offset_wh bigint not null
) with (fillfactor = 70);
comment on table account_weight is 'distributed: up to where an account''s use was recomputed';

create table drift (
    account_id bigint not null,
    drift_id uuid not null,
    site_id bigint not null,
    meter_id bigint not null,
    cause text not null check (
        cause in ('tariff_version', 'clock', 'lost_instruction', 'double_credit', 'tamper', 'unexplained')
    ),
    day date not null,
    seen_day date not null check (seen_day >= day),
    books_minor bigint not null,
    meter_minor bigint,
    recomputed_minor bigint,
    minor bigint not null check (minor <> 0),
    opened_at timestamptz not null,
    gone_at timestamptz,
    primary key (account_id, drift_id),
    foreign key (account_id, drift_id) references case_file
);
comment on table drift is 'distributed: a difference between books, meter and recomputation, and its case';
create index drift_of_site on drift (site_id, day);
-- When a meter's clock was found wrong last, and by how much it was ahead: what it froze before is in doubt.
alter table meter_state add clock_off_s integer, add clock_off_at timestamptz;
-- Days are read by the instant of booking: their order on the disk, almost.
create index posting_of_day on posting using brin (booked_at) with (pages_per_range = 32);

do $$
declare
    kept text;
begin
    foreach kept in array array['meter_freeze', 'account_day'] loop
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
grant select, insert, update on site_day, account_weight, drift to compuerta_work;
grant select, insert on meter_freeze, account_day to compuerta_work;

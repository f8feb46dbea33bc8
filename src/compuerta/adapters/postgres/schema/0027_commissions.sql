-- Commissioning: what was found on a road, claimed, tried and handed over.

-- A look at a line, asked for by somebody and carried out by the gateway that holds the line.
create table survey (
    survey_id uuid primary key,
    organisation_id bigint not null references organisation,
    endpoint_id text not null references endpoint,
    protocol text not null check (protocol in ('dlt645', 'modbus')),
    meter_no text check (meter_no ~ '^[0-9]{12}$'), -- to be given the number beside it
    new_no text check (new_no ~ '^[0-9]{12}$'),
    asked_by text not null check (asked_by <> ''),
    asked_at timestamptz not null,
    state text not null default 'asked' check (state in ('asked', 'running', 'done', 'failed')),
    gateway text not null default '',
    lease_until timestamptz,
    probes integer not null default 0 check (probes >= 0),
    ended_at timestamptz,
    reason text not null default '',
    constraint survey_ends_once check ((state in ('done', 'failed')) = (ended_at is not null)),
    constraint survey_renumbers_to_something check ((meter_no is null) = (new_no is null))
);
comment on table survey is 'reference: a look at who is on a line, and how far it is';
-- Two searches on one line would only slow each other down.
create unique index survey_one_at_a_time on survey (endpoint_id) where ended_at is null;
create index survey_latest on survey (organisation_id, asked_at desc);

create table survey_finding (
    survey_id uuid not null references survey,
    organisation_id bigint not null references organisation,
    address text not null check (address ~ '^[0-9]{1,12}$'), -- the meter's number, or its Modbus unit
    found_at timestamptz not null,
    twice boolean not null default false,
    models text[] not null default '{}', -- that fit what it answers, the likeliest first
    shows bigint, -- what its register shows, in watt-hours; it is nobody's reading yet
    clock timestamp, -- as it shows, without a zone
    primary key (survey_id, address)
);
comment on table survey_finding is 'reference: a meter that answered to a survey';

create table commission (
    account_id bigint not null references account,
    commission_id uuid not null,
    organisation_id bigint not null,
    meter_id bigint not null,
    found_by text not null check (found_by in ('survey', 'label', 'table')),
    began_by text not null check (began_by <> ''),
    began_at timestamptz not null,
    ended_at timestamptz,
    handed_over boolean not null default false,
    primary key (account_id, commission_id),
    constraint commission_is_over_when_handed_over check (not handed_over or ended_at is not null)
);
comment on table commission is 'distributed: a meter on its way from the fitter to who lives there';
create unique index commission_one_at_a_time on commission (account_id) where ended_at is null;

create table commission_step (
    account_id bigint not null,
    commission_id uuid not null,
    step_id uuid not null,
    step text not null check (
        step in ('claimed', 'heard', 'clock', 'tariff', 'limits', 'dark', 'light', 'handed_over', 'given_up')
    ),
    outcome text not null check (outcome in ('begun', 'done', 'failed')),
    who text not null check (who <> ''),
    at timestamptz not null,
    evidence text not null,
    primary key (account_id, commission_id, step_id),
    foreign key (account_id, commission_id) references commission
);
comment on table commission_step is 'distributed: append-only; what was done to commission a meter, by whom, and what shows it';
create trigger commission_step_is_kept before update or delete on commission_step
    for each row execute function refuse_change();
create trigger commission_step_is_kept_whole before truncate on commission_step
    for each statement execute function refuse_change();

grant select, insert, update on survey, survey_finding, commission to compuerta_work;
grant select, insert on commission_step to compuerta_work;

-- Whether a meter, or what names the end of a road, is anybody's already: behind the walls others' are not there.
create function meters_taken(text[]) returns setof text
    language sql stable security definer set search_path from current as $$
    select meter_no from meter where meter_no = any ($1)
$$;
create function ends_taken(text[]) returns setof text
    language sql stable security definer set search_path from current as $$
    select named from endpoint cross join lateral (values (endpoint_id), (address)) as names (named)
    where named = any ($1)
$$;

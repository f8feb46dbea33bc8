-- Alarms of meters: raised by what they tell, looked at by people, ended with an outcome.

create table meter_alarm (
    meter_id bigint not null,
    alarm_id uuid not null,
    organisation_id bigint not null,
    account_id bigint,
    kind text not null check (kind <> ''),
    severity text not null check (severity in ('notice', 'warning', 'danger')),
    detail text not null,
    raised_at timestamptz not null,
    last_at timestamptz not null,
    times bigint not null default 1 check (times > 0), -- told so often; listed once
    silenced boolean not null default false, -- raised inside a maintenance window: nobody is called
    ended_at timestamptz, -- what it tells of is over; it stays on the board until somebody closes it
    acknowledged_by text,
    acknowledged_at timestamptz,
    outcome text check (
        outcome in ('false_alarm', 'repaired', 'theft_confirmed', 'own_work', 'user_told', 'nothing_found')
    ),
    note text not null default '', -- what whoever closed it has found
    closed_by text,
    closed_at timestamptz,
    primary key (meter_id, alarm_id),
    constraint meter_alarm_is_acknowledged_by_somebody
        check ((acknowledged_by is null) = (acknowledged_at is null)),
    constraint meter_alarm_closes_with_an_outcome
        check (num_nulls(outcome, closed_by, closed_at) in (0, 3))
);
comment on table meter_alarm is 'distributed: what a meter told that a person should look at';
create unique index meter_alarm_open on meter_alarm (meter_id, kind) where closed_at is null;
create index meter_alarm_by_id on meter_alarm (alarm_id);
create index meter_alarm_board on meter_alarm (organisation_id, raised_at) where closed_at is null;

create table alarm_photo (
    meter_id bigint not null,
    alarm_id uuid not null,
    photo_id uuid not null,
    content_type text not null check (content_type in ('image/jpeg', 'image/png', 'image/webp')),
    content bytea not null check (length(content) between 1 and 8000000),
    who text not null,
    at timestamptz not null,
    primary key (meter_id, alarm_id, photo_id),
    foreign key (meter_id, alarm_id) references meter_alarm
);
comment on table alarm_photo is 'distributed: what somebody saw at the meter; append-only';

create table maintenance_window (
    window_id uuid primary key,
    organisation_id bigint not null references organisation,
    site_id bigint references site, -- null = all sites
    meter_id bigint references meter, -- null = all meters of the site
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    who text not null,
    why text not null check (why <> ''),
    cancelled_at timestamptz,
    check (ends_at > starts_at)
);
comment on table maintenance_window is 'reference: when alarms are expected, and call nobody';

-- A feeder meter measures what goes to the meters behind it; what is not measured again is loss.
create table feeding (
    feeder_meter_id bigint not null references meter,
    meter_id bigint not null references meter,
    started_at timestamptz not null,
    ended_at timestamptz check (ended_at >= started_at),
    primary key (feeder_meter_id, meter_id, started_at),
    check (feeder_meter_id <> meter_id)
);
comment on table feeding is 'reference: which meters hang behind which feeder meter';
create index maintenance_window_of on maintenance_window (organisation_id, ends_at);
create unique index feeding_of_meter on feeding (meter_id) where ended_at is null;

create trigger alarm_photo_is_kept before update or delete on alarm_photo
    for each row execute function refuse_change();
create trigger alarm_photo_is_kept_whole before truncate on alarm_photo
    for each statement execute function refuse_change();
grant select, insert, update on meter_alarm, maintenance_window, feeding to compuerta_work;
grant select, insert on alarm_photo to compuerta_work;

-- Every road to a meter: by what it is carried, further ways, and how well they serve.

alter table endpoint drop constraint endpoint_road_check;
alter table endpoint drop constraint endpoint_baud_check;
alter table endpoint drop constraint endpoint_road_address_key;
alter table endpoint
    add column bearer text check (
        bearer in ('dial_in', 'dial_out', 'serial', 'outpost', 'mqtt', 'coap', 'operator')
    ),
    add column contact_s integer check (contact_s between 1 and 2678400),
    add column key_generation integer not null default 1 check (key_generation > 0),
    add column cell text not null default '' check (length(cell) <= 60);
update endpoint set bearer = case road when '4g' then 'dial_in' else 'serial' end;
alter table endpoint
    alter column bearer set not null,
    add check (road in ('4g', 'rs485', 'nbiot')),
    add check (baud in (600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)),
    -- What names an end to its bearer is one end's.
    add unique (bearer, address);
comment on table endpoint is 'reference: the end of a road: a module that dials in, a bus, a sleeper on NB-IoT';

alter table meter drop constraint meter_road_check;
alter table meter
    add column unit_no smallint check (unit_no between 1 and 247),
    add check (road in ('4g', 'rs485', 'nbiot'));

-- The first way to a meter is its own end; these come after it.
create table meter_way (
    meter_id bigint not null references meter,
    rank smallint not null check (rank between 1 and 9),
    endpoint_id text not null references endpoint,
    primary key (meter_id, rank),
    unique (meter_id, endpoint_id)
);
comment on table meter_way is 'distributed: further ways to a meter, in their order';
grant select, insert, update, delete on meter_way to compuerta_work;

create table way_failure (
    meter_id bigint not null references meter,
    endpoint_id text not null references endpoint,
    failed_at timestamptz not null,
    times integer not null check (times > 0),
    primary key (meter_id, endpoint_id)
);
comment on table way_failure is 'distributed: ways by which meters did not answer, left while another lives';
grant select, insert, update, delete on way_failure to compuerta_work;

alter table endpoint_state
    add column contact_at timestamptz,
    add column next_contact_at timestamptz,
    add column lost_reason text not null default '' check (length(lost_reason) <= 60),
    add column rsrp_dbm smallint,
    add column snr_db smallint,
    add column csq smallint check (csq between 0 and 31),
    add column cell text,
    add column signed_at timestamptz;

-- Each row is added to with the beats of an hour; of a signal its lowest, its sum and its last are kept.
create table road_hour (
    endpoint_id text not null references endpoint,
    hour timestamptz not null check (date_trunc('hour', hour, 'UTC') = hour),
    exchanges integer not null check (exchanges >= 0),
    repeats integer not null check (repeats >= 0),
    silences integer not null check (silences >= 0),
    strays integer not null check (strays >= 0),
    done integer not null check (done >= 0),
    failed integer not null check (failed >= 0),
    latencies integer[] not null check (cardinality(latencies) = 19 and 0 <= all (latencies)),
    rsrp_count integer not null default 0,
    rsrp_min smallint,
    rsrp_total integer not null default 0,
    rsrp_last smallint,
    snr_count integer not null default 0,
    snr_min smallint,
    snr_total integer not null default 0,
    snr_last smallint,
    csq_count integer not null default 0,
    csq_min smallint,
    csq_total integer not null default 0,
    csq_last smallint,
    primary key (endpoint_id, hour)
);
create index road_hour_by_hour on road_hour (hour);
comment on table road_hour is 'reference: how well the end of a road served, hour by hour';
grant select, insert, update, delete on road_hour to compuerta_work;

-- By which end an instruction was tried last: with several ways its meter no longer tells.
alter table instruction add column endpoint_id text references endpoint;

-- What devices push of their own accord: kept at once, and taken into readings a moment later.
create table pushed_reading (
    meter_id bigint not null,
    at timestamptz not null,
    pushed_id bigint generated always as identity,
    energy_wh bigint not null check (energy_wh >= 0),
    relay text check (relay in ('open', 'permitted', 'closed')),
    power_w bigint,
    primary key (meter_id, pushed_id)
);
comment on table pushed_reading is 'distributed: what a device pushed and is not a reading yet; gone when it is';
grant select, insert, delete on pushed_reading to compuerta_work;

-- The adviser: what was asked, and which roads it chose.

create table road_plan (
    plan_id uuid primary key,
    organisation_id bigint not null references organisation,
    name text not null check (length(name) between 1 and 80),
    site_table text not null check (length(site_table) between 1 and 1000000),
    price_table text not null check (length(price_table) <= 20000),
    latency_ms integer not null check (latency_ms > 0),
    success_ppm integer not null check (success_ppm between 0 and 1000000),
    facts text not null, -- JSON: the plan, its bill, its alternatives and reasons
    site_svg text not null,
    alone_svg text not null,
    latency_svg text not null,
    success_svg text not null,
    made_by text not null check (made_by <> ''),
    made_at timestamptz not null
);
comment on table road_plan is 'reference: roads that the adviser chose for a site, on the day it was asked';
create index road_plan_latest on road_plan (organisation_id, made_at desc);
grant select, insert, delete on road_plan to compuerta_work;

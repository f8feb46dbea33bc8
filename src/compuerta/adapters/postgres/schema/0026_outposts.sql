-- Small gateways that stand beside buses, and what they may decide while the platform is away.

create table outpost (
    outpost_id text primary key check (outpost_id ~ '^[0-9A-Za-z_-]{1,40}$'),
    organisation_id bigint not null references organisation,
    key_generation integer not null default 1 check (key_generation > 0),
    cuts boolean not null default true,
    mandate_h integer not null default 72 check (mandate_h between 1 and 744)
);
comment on table outpost is 'reference: a small gateway beside buses, and what it may do alone';
grant select, insert on outpost to compuerta_work;
-- Whose it is never changes.
grant update (key_generation, cuts, mandate_h) on outpost to compuerta_work;

-- An outpost's records are kept once, however often it sends them: its journal is kept up to here.
create table outpost_mark (
    outpost_id text not null references outpost,
    journal_id uuid not null,
    record_no bigint not null check (record_no > 0),
    primary key (outpost_id, journal_id)
);
comment on table outpost_mark is 'reference: up to which record the journal of an outpost is kept';
grant select, insert, update (record_no) on outpost_mark to compuerta_work;

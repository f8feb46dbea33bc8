-- Who may do what, where: roles are rows, and grants have a scope.

create table role (
    organisation_id bigint not null references organisation,
    role text not null check (role <> ''),
    rights text[] not null,
    primary key (organisation_id, role)
);
comment on table role is 'reference: an organisation''s own roles, instead of the usual seven';

create table role_grant (
    grant_id uuid primary key,
    organisation_id bigint not null references organisation,
    user_name text not null check (user_name <> ''),
    role text not null check (role <> ''),
    site_id bigint references site, -- null = the whole organisation
    building text, -- null = the whole site
    granted_by text not null,
    granted_at timestamptz not null,
    revoked_by text,
    revoked_at timestamptz,
    check (building is null or site_id is not null),
    check ((revoked_by is null) = (revoked_at is null)),
    constraint role_grant_by_another check (granted_by <> user_name) -- nobody raises themselves
);
comment on table role_grant is 'reference: which role a person has, and for what';
create index role_grant_of_person on role_grant (user_name) where revoked_at is null;

-- A machine's key: for one site or all, until it expires, and when it was last used.
alter table api_key
    add key_id uuid not null default gen_random_uuid(),
    add site_id bigint references site,
    add expires_at timestamptz,
    add used_at timestamptz,
    add made_by text not null default '',
    add revoked_by text;
create unique index api_key_id on api_key (key_id);

-- Many supplies at once: tried dry, approved by a second person, done in waves, stopped by errors, undone.
create table mass_operation (
    operation_id uuid primary key,
    organisation_id bigint not null references organisation,
    kind text not null check (kind in ('hold', 'lift')),
    hold text not null, -- the kind of hold that is placed or lifted
    until timestamptz, -- the end of the holds that are placed
    state text not null check (
        state in ('proposed', 'running', 'paused', 'stopped', 'done', 'withdrawn', 'undoing', 'undone')
    ),
    why text not null check (why <> ''),
    errors_max integer not null check (errors_max >= 0),
    undo_min integer not null check (undo_min >= 0), -- how long after its end it may be undone
    proposed_by text not null,
    proposed_at timestamptz not null,
    decided_by text,
    decided_at timestamptz,
    wave integer not null default 0, -- the last that was begun
    wave_at timestamptz, -- when it was
    undo_until timestamptz,
    ended_at timestamptz,
    undone_by text,
    constraint mass_operation_has_two_persons check (
        decided_by is null or decided_by <> proposed_by or state = 'withdrawn'
    ),
    constraint mass_operation_works_when_decided check (
        decided_by is not null or state in ('proposed', 'withdrawn')
    )
);
comment on table mass_operation is 'reference: one order for many supplies, by two persons and in waves';

create table mass_item (
    operation_id uuid not null references mass_operation,
    account_id bigint not null references account,
    wave integer not null check (wave > 0),
    state text not null check (
        state in ('waiting', 'ordered', 'done', 'failed', 'skipped', 'undone', 'kept')
    ),
    answer text not null default '',
    lifted_until timestamptz, -- the end of the hold that was lifted, where it had one
    primary key (operation_id, account_id)
);
comment on table mass_item is 'reference: one supply of a mass operation, and what became of it';
create index mass_operation_at_work on mass_operation (proposed_at)
    where state in ('running', 'undoing', 'paused', 'stopped');
create index mass_item_of_wave on mass_item (operation_id, wave, state);

grant select, insert, update on role, role_grant, mass_operation, mass_item to compuerta_work;
grant update (used_at) on api_key to compuerta_work;

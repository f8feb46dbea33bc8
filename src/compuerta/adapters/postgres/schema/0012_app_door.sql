-- The door for apps, partners and billers: what was answered once is answered again; what happens is told.
create table idempotency_key (
    organisation_id bigint not null references organisation,
    caller text not null,
    key text not null check (key <> ''),
    request_mark text not null, -- of method, path and body: another request with the same key is refused
    status integer,
    answer jsonb,
    created_at timestamptz not null,
    answered_at timestamptz,
    primary key (organisation_id, caller, key)
);
comment on table idempotency_key is 'reference: what a machine asked under a key of its own, and the answer';

create table webhook (
    webhook_id uuid primary key,
    organisation_id bigint not null references organisation,
    url text not null,
    events text[] not null,
    secret text not null,
    made_by text not null,
    made_at timestamptz not null,
    ended_at timestamptz
);
comment on table webhook is 'reference: where a partner wants to be told';

create table webhook_delivery (
    webhook_id uuid not null references webhook,
    delivery_id uuid not null,
    organisation_id bigint not null references organisation,
    account_id bigint,
    event text not null,
    body text not null,
    state text not null check (state in ('waiting', 'done', 'given_up')),
    tries integer not null default 0,
    due_at timestamptz,
    last_answer text not null default '',
    created_at timestamptz not null,
    ended_at timestamptz,
    primary key (webhook_id, delivery_id)
);
comment on table webhook_delivery is 'reference: what is told to partners, until they have heard it';
create index webhook_delivery_due on webhook_delivery (due_at) where due_at is not null;
grant select, insert, update on idempotency_key, webhook, webhook_delivery to compuerta_work;

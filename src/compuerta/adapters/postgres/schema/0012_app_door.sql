-- The door for apps, partners and billers: what was answered once is answered again; what happens is told.
create table idempotency_key (
    organisation_id bigint not null references organisation,
    caller text not null,
    key text not null check (key <> ''),
    request_mark text not null, -- of method, path and body: another request with the same key is refused
    created_at timestamptz not null,
    taken_at timestamptz, -- since when somebody works on it
    status integer,
    answer text, -- as it was sent, to the byte
    answered_at timestamptz,
    primary key (organisation_id, caller, key),
    constraint idempotency_key_is_answered_whole check (num_nonnulls(status, answer, answered_at) in (0, 3))
);
comment on table idempotency_key is 'reference: what a machine asked under a key of its own, and the answer';
create index idempotency_key_old on idempotency_key (created_at);

-- Of a secret nothing is kept: it is made of the id, the generation, and the installation's own.
create table webhook (
    webhook_id uuid primary key,
    organisation_id bigint not null references organisation,
    url text not null check (url <> ''),
    events text[] not null check (cardinality(events) > 0),
    generation integer not null default 1 check (generation > 0),
    rotated_at timestamptz,
    made_by text not null,
    made_at timestamptz not null,
    ended_at timestamptz
);
comment on table webhook is 'reference: where a partner wants to be told';
create index webhook_of_organisation on webhook (organisation_id) where ended_at is null;

create table webhook_delivery (
    webhook_id uuid not null references webhook,
    delivery_id uuid not null, -- made of what happened: it is told once
    organisation_id bigint not null references organisation,
    account_id bigint not null,
    event text not null check (
        event in ('order.paid', 'order.credited', 'order.power', 'order.failed', 'receipt.issued')
    ),
    at timestamptz not null, -- when it happened
    recharge_id uuid,
    attempt_id uuid,
    state text not null check (state in ('waiting', 'done', 'given_up')),
    tries integer not null default 0 check (tries >= 0),
    due_at timestamptz,
    last_answer text not null default '',
    created_at timestamptz not null,
    ended_at timestamptz,
    primary key (webhook_id, delivery_id),
    constraint webhook_delivery_is_due_or_over check (
        (state = 'waiting') = (due_at is not null) and (state = 'waiting') = (ended_at is null)
    )
);
comment on table webhook_delivery is 'reference: what is told to partners, until they have heard it';
create index webhook_delivery_due on webhook_delivery (due_at) where due_at is not null;
-- Of one webhook by itself: what waits for one that is away is not read for those that are there.
create index webhook_delivery_of_webhook on webhook_delivery (webhook_id, due_at) where due_at is not null;
create index webhook_delivery_old on webhook_delivery (ended_at) where ended_at is not null;

-- A biller's own number of a payment is its name for ever; what was taken back before it came is known too.
create table biller_payment (
    provider text not null references provider_account,
    reference text not null check (reference <> ''),
    organisation_id bigint not null references organisation,
    account_id bigint,
    attempt_id uuid,
    amount_minor bigint check (amount_minor > 0),
    currency text,
    said_at timestamptz not null,
    reversed_at timestamptz,
    primary key (provider, reference),
    constraint biller_payment_is_whole check (
        num_nonnulls(account_id, attempt_id, amount_minor, currency) in (0, 4)
        and (account_id is not null or reversed_at is not null)
    )
);
comment on table biller_payment is 'reference: what a biller has paid to us, by its own number';
create index biller_payment_of_day on biller_payment (provider, said_at);

-- Machines follow orders by their id alone.
create index payment_order_by_id on payment_order (order_id);
create index attempt_of_order on attempt (account_id, order_id) where order_id is not null;

grant select, insert, update on idempotency_key, webhook, webhook_delivery, biller_payment to compuerta_work;
grant delete on idempotency_key, webhook_delivery to compuerta_work;

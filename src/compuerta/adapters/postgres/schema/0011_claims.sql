-- Money that somebody says has come, without a signature: asked for before it is believed.
create table payment_claim (
    provider text not null references provider_account,
    transaction_no text not null,
    reference text not null default '', -- of our order, where it was one
    payee text not null default '', -- what the payer typed: a meter's number, or anything
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    paid_at timestamptz not null,
    heard_at timestamptz not null,
    state text not null check (state in ('waiting', 'confirmed', 'denied', 'given_up')),
    asks integer not null default 0 check (asks >= 0),
    ask_at timestamptz,
    last_answer text not null default '',
    primary key (provider, transaction_no),
    check ((ask_at is null) = (state <> 'waiting')) -- no claim waits unasked
);
comment on table payment_claim is 'reference: unsigned words about money, until the provider was asked';
create index payment_claim_to_ask on payment_claim (ask_at) where ask_at is not null;
create index payment_claim_waiting on payment_claim (provider) where state = 'waiting';
-- Some providers show no more of an order's number than its end.
create index payment_reference_end on payment_reference (provider, right(reference, 11)) where kind = 'order';
grant select, insert, update on payment_claim to compuerta_work;

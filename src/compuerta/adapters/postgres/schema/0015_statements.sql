-- Providers' bills against our books: what does not agree is a row until a person has ended it.
create table statement (
    provider text not null references provider_account,
    day date not null, -- the provider's own day
    kind text not null check (kind in ('trade', 'fund')),
    organisation_id bigint not null references organisation,
    currency text not null, -- of the sums
    state text not null default 'waiting' check (state in ('waiting', 'matched', 'empty', 'missing', 'faulty')),
    asks integer not null default 0,
    ask_at timestamptz, -- when it is fetched next; null = never again by itself
    reason text not null default '', -- why it is not there, or faulty
    version integer not null default 0, -- how often it came with other contents
    digest text not null default '', -- SHA-256 of its lines
    fetched_at timestamptz,
    lines integer not null default 0 check (lines >= 0),
    matched integer not null default 0 check (matched >= 0),
    differing integer not null default 0 check (differing >= 0),
    gross_minor bigint not null default 0,
    refunded_minor bigint not null default 0,
    fee_micro bigint not null default 0, -- millionths of the major unit: fees have five decimals
    fee_minor bigint not null default 0, -- what is booked of it; the rest is carried to the next bill
    primary key (provider, day, kind),
    constraint statement_is_fetched check ((state = 'matched') <= (fetched_at is not null))
);
comment on table statement is 'reference: a bill of a provider''s day, and how it agrees';
create index statement_to_fetch on statement (ask_at) where ask_at is not null;

create table statement_difference (
    provider text not null,
    day date not null,
    kind text not null,
    difference_no integer not null check (difference_no > 0),
    organisation_id bigint not null references organisation,
    what text not null check (
        what in (
            'theirs_only', 'ours_only', 'amount', 'reference', 'twice', 'refund_theirs_only',
            'refund_ours_only', 'other_day'
        )
    ),
    transaction_no text not null,
    reference text not null default '',
    refund_reference text not null default '', -- '' for a payment
    theirs_minor bigint,
    ours_minor bigint,
    currency text not null,
    at timestamptz not null,
    waits boolean not null default false, -- for the bill of the next day, in which it may be
    ended_at timestamptz,
    ended_by text,
    outcome text,
    note text not null default '', -- why, in the words of whoever ended it
    primary key (provider, day, kind, difference_no),
    foreign key (provider, day, kind) references statement,
    constraint statement_difference_ends check (num_nonnulls(ended_at, ended_by, outcome) in (0, 3)),
    constraint statement_difference_waits_open check (not waits or ended_at is null)
);
comment on table statement_difference is 'reference: a line of a bill that does not agree with the books';
create index statement_difference_elsewhere on statement_difference (provider, transaction_no)
    where what in ('other_day', 'refund_theirs_only');
create index statement_difference_open on statement_difference (organisation_id, day) where ended_at is null;
-- A day of payments is read whole, in the order in which they came: their order on the disk, almost.
create index payment_of_day on payment using brin (paid_at) with (pages_per_range = 32);
grant select, insert, update on statement, statement_difference to compuerta_work;

-- Providers' bills against our books: what does not agree is a row until a person has ended it.
create table statement (
    provider text not null references provider_account,
    day date not null, -- the provider's own day
    kind text not null check (kind in ('trade', 'fund')),
    organisation_id bigint not null references organisation,
    fetched_at timestamptz not null,
    digest text not null, -- SHA-256 of the file
    lines integer not null check (lines >= 0),
    matched integer not null default 0,
    differing integer not null default 0,
    gross_minor bigint not null default 0,
    refunded_minor bigint not null default 0,
    fee_micro bigint not null default 0, -- millionths of the major unit: fees have five decimals
    currency text not null,
    primary key (provider, day, kind)
);
comment on table statement is 'reference: a bill of a provider''s day, and how it agrees';

create table statement_difference (
    provider text not null,
    day date not null,
    kind text not null,
    difference_no integer not null,
    organisation_id bigint not null references organisation,
    what text not null check (
        what in ('theirs_only', 'ours_only', 'amount', 'fee', 'state', 'twice', 'refund_theirs_only', 'refund_ours_only')
    ),
    transaction_no text not null,
    reference text not null default '',
    theirs_minor bigint,
    ours_minor bigint,
    detail text not null default '',
    ended_at timestamptz,
    ended_by text,
    outcome text,
    primary key (provider, day, kind, difference_no),
    foreign key (provider, day, kind) references statement,
    constraint statement_difference_ends check (num_nonnulls(ended_at, ended_by, outcome) in (0, 3))
);
comment on table statement_difference is 'reference: a line of a bill that does not agree with the books';
grant select, insert, update on statement, statement_difference to compuerta_work;

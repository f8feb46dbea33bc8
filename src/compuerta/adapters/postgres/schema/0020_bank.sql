-- What providers and safes send to banks, what banks say came, and what answers what.
alter table posting
    drop constraint posting_kind_check,
    add constraint posting_kind_check check (
        kind in (
            'recharge', 'suspense', 'delivery', 'charge', 'reversal', 'deposit', 'settlement', 'carried',
            'debt', 'withdrawal', 'refund', 'placement', 'dispute', 'write_off', 'shift', 'provider_fee',
            'payout'
        )
    );

alter table statement
    add column opening_minor bigint, -- of a fund bill: what the account held before it, and after
    add column closing_minor bigint,
    add column paid_out_minor bigint not null default 0, -- ... and what went to the bank
    add constraint statement_balances check ((opening_minor is null) = (closing_minor is null));
alter table statement_difference
    drop constraint statement_difference_what_check,
    add constraint statement_difference_what_check check (
        what in (
            'theirs_only', 'ours_only', 'amount', 'reference', 'twice', 'refund_theirs_only',
            'refund_ours_only', 'other_day', 'fund_only', 'trade_only', 'fund_amount', 'fee', 'gap', 'move'
        )
    );

create table payout (
    provider text not null references provider_account,
    payout_no text not null, -- the provider's own
    organisation_id bigint not null references organisation,
    day date not null, -- the provider's own
    amount_minor bigint not null check (amount_minor <> 0), -- below zero it came back
    currency text not null,
    at timestamptz not null,
    posting_id uuid not null,
    primary key (provider, payout_no)
);
comment on table payout is 'reference: money that a provider sent to our bank; append-only';
create index payout_of_organisation on payout (organisation_id, day);

create table bank_account (
    bank_account_id uuid primary key,
    organisation_id bigint not null references organisation,
    name text not null check (name <> ''),
    number text not null check (number <> ''), -- as the bank's statements say it, without blanks
    currency text not null,
    unique (organisation_id, number)
);
comment on table bank_account is 'reference: an account of an organisation at a bank';

create table bank_statement (
    bank_account_id uuid not null references bank_account,
    statement_no integer not null check (statement_no > 0),
    organisation_id bigint not null references organisation,
    digest text not null, -- SHA-256 of what it says
    starts_on date not null,
    ends_on date not null check (ends_on >= starts_on),
    opening_minor bigint not null,
    closing_minor bigint not null,
    entries integer not null check (entries >= 0),
    taken_by text not null,
    taken_at timestamptz not null,
    primary key (bank_account_id, statement_no),
    unique (bank_account_id, digest)
);
comment on table bank_statement is 'reference: what a bank says of some days of an account; append-only';

create table bank_entry (
    bank_account_id uuid not null,
    entry_id uuid not null,
    statement_no integer not null,
    organisation_id bigint not null references organisation,
    booked_on date not null,
    amount_minor bigint not null check (amount_minor <> 0), -- what came in; what went out is negative
    reference text not null default '',
    text text not null default '',
    case_id uuid, -- who could not be tied is somebody's case
    primary key (bank_account_id, entry_id),
    foreign key (bank_account_id, statement_no) references bank_statement
);
comment on table bank_entry is 'reference: a movement on a bank account, by the bank''s statement';
create index bank_entry_of_day on bank_entry (bank_account_id, booked_on);
create index bank_entry_of_organisation on bank_entry (organisation_id, booked_on);

create table bank_tie (
    bank_account_id uuid not null,
    entry_id uuid not null,
    kind text not null check (kind in ('payout', 'deposit')),
    provider text not null references provider_account,
    number text not null, -- of the payout; of the till's movement to the safe
    organisation_id bigint not null references organisation,
    amount_minor bigint not null,
    tied_by text not null,
    tied_at timestamptz not null,
    agreed_by text,
    agreed_at timestamptz, -- from then on it counts
    refused_by text,
    refused_at timestamptz,
    primary key (bank_account_id, entry_id, kind, provider, number, tied_at),
    foreign key (bank_account_id, entry_id) references bank_entry,
    constraint bank_tie_agreed check (num_nonnulls(agreed_by, agreed_at) in (0, 2)),
    constraint bank_tie_refused check (num_nonnulls(refused_by, refused_at) in (0, 2)),
    constraint bank_tie_ends_once check (num_nonnulls(agreed_at, refused_at) < 2),
    -- A deposit is booked with its tie: by the machine where it is plain, else by two persons.
    constraint bank_tie_by_two_persons check (
        kind = 'payout' or tied_by = 'bank statement' or agreed_by is null or agreed_by <> tied_by
    )
);
comment on table bank_tie is 'reference: what an entry at the bank answers';
create unique index bank_tie_target on bank_tie (kind, provider, number) where refused_at is null;

do $$
declare
    kept text;
begin
    foreach kept in array array['payout', 'bank_statement'] loop
        execute format(
            'create trigger %I before update or delete on %I for each row execute function refuse_change()',
            kept || '_is_kept', kept
        );
        execute format(
            'create trigger %I before truncate on %I for each statement execute function refuse_change()',
            kept || '_is_kept_whole', kept
        );
    end loop;
end $$;
grant select, insert on payout, bank_statement to compuerta_work;
grant select, insert, update on bank_account, bank_entry, bank_tie to compuerta_work;

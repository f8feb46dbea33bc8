-- Warnings and messages: each level speaks once on the way down; what was said, to whom, and whether it came.

-- Which levels have spoken: bit n is level n of the account's levels; `warned_of` says of which levels.
alter table account_state
    add warned integer not null default 0,
    add warned_of integer not null default 0,
    add warned_minor bigint; -- the balance that the levels saw last

alter table warning
    add level text,
    add value bigint, -- minor units, watt-hours or hours, as the level counts
    add zero_at timestamptz, -- when the balance will be used up, as it was reckoned then
    drop constraint warning_pkey;
alter table warning alter level_minor drop not null;
create unique index warning_once on warning (account_id, at, level_minor, level) nulls not distinct;

-- Who is told: residents by their account, staff by their name.
create table contact (
    contact_id uuid primary key,
    organisation_id bigint not null references organisation,
    account_id bigint references account,
    user_name text,
    channel text not null check (channel in ('sms', 'email', 'wechat', 'webhook', 'apprise')),
    address text not null check (address <> ''),
    language text not null check (language in ('en', 'es', 'zh-hans')),
    wants text[] not null, -- which kinds of messages: warning, supply, payment, alarm
    created_at timestamptz not null,
    confirmed_at timestamptz, -- what a resident adds is confirmed by a code that is sent there
    opted_out_at timestamptz,
    code text not null default '',
    code_tries integer not null default 0,
    check (num_nonnulls(account_id, user_name) = 1)
);
comment on table contact is 'reference: where a person is reached, and about what';
create index contact_of_account on contact (account_id) where account_id is not null;
create index contact_of_staff on contact (organisation_id) where user_name is not null;

create table message_template (
    organisation_id bigint not null references organisation,
    name text not null,
    language text not null check (language in ('en', 'es', 'zh-hans')),
    subject text not null,
    body text not null check (body <> ''),
    codes jsonb not null default '{}', -- by channel: the number of the template that the provider has approved
    changed_by text not null,
    changed_at timestamptz not null,
    primary key (organisation_id, name, language)
);
comment on table message_template is 'reference: an organisation''s own words, instead of ours';

create table message (
    message_id uuid primary key, -- made from what happened, to whom and by which channel: said once
    occasion uuid not null, -- what it tells of; the same for all who are told
    organisation_id bigint not null references organisation,
    account_id bigint,
    contact_id uuid not null references contact,
    channel text not null,
    template text not null,
    language text not null,
    fields jsonb not null,
    urgent boolean not null, -- a cut: whatever the hour
    subject text not null,
    body text not null, -- what was, or will be, sent; kept
    state text not null check (state in ('waiting', 'in_flight', 'sent', 'delivered', 'failed', 'digested', 'dropped')),
    created_at timestamptz not null,
    due_at timestamptz not null,
    tries integer not null default 0,
    lease_until timestamptz,
    lease_owner text not null default '',
    provider_id text, -- by which the channel's receipts name it
    sent_at timestamptz,
    ended_at timestamptz,
    last_answer text not null default '',
    check ((state = 'in_flight') = (lease_until is not null)),
    check ((ended_at is null) = (state in ('waiting', 'in_flight', 'sent')))
);
comment on table message is 'reference: what is told to whom by which channel; the outbox of words';
create index message_due on message (due_at) where state in ('waiting', 'in_flight');
create index message_of_account on message (account_id, created_at) where account_id is not null;
create index message_by_provider on message (channel, provider_id) where provider_id is not null;
create index message_of_contact on message (contact_id, created_at);

create index message_lease on message (lease_until) where lease_until is not null;
create index contact_of_address on contact (address);

grant select, insert, update on contact, message_template, message to compuerta_work;
grant delete on message_template to compuerta_work;

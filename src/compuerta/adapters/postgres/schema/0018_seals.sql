-- Seals: what each account's postings were when its site's day ended, chained; and an anchor over each day.
create table seal (
    account_id bigint not null,
    seal_no integer not null check (seal_no > 0), -- the account's own
    site_id bigint not null,
    day date not null,
    until timestamptz not null, -- the end of that day
    postings integer not null check (postings > 0),
    previous bytea not null check (octet_length(previous) = 32), -- the digest of the seal before it
    digest bytea not null check (octet_length(digest) = 32),
    witness bytea not null, -- of each posting its id and eight bytes of its hash, by instant of booking and id
    primary key (account_id, seal_no),
    unique (account_id, day),
    constraint seal_names_its_postings check (octet_length(witness) = 24 * postings)
);
comment on table seal is 'distributed: the digest of an account''s postings of a day; append-only';
create index seal_of_day on seal (site_id, day);

create table anchor (
    site_id bigint not null references site,
    anchor_no integer not null check (anchor_no > 0), -- the site's own
    organisation_id bigint not null references organisation,
    day date not null,
    until timestamptz not null,
    made_at timestamptz not null,
    accounts bigint not null check (accounts >= 0),
    postings bigint not null check (postings >= accounts),
    previous bytea not null check (octet_length(previous) = 32),
    digest bytea not null check (octet_length(digest) = 32),
    primary key (site_id, anchor_no),
    unique (site_id, day)
);
comment on table anchor is 'reference: the digest of all seals of a site''s day; append-only';

create table posting_late (
    account_id bigint not null,
    posting_id uuid not null,
    noticed_at timestamptz not null default now(),
    primary key (account_id, posting_id)
);
comment on table posting_late is 'distributed: a posting that came into a day that had been anchored; append-only';

create table journal_check (
    site_id bigint not null references site,
    at timestamptz not null,
    organisation_id bigint not null references organisation,
    anchor_no integer not null check (anchor_no >= 0), -- the last that there was; 0 = none
    postings bigint not null check (postings >= 0),
    found integer not null check (found >= 0),
    primary key (site_id, at)
);
comment on table journal_check is 'reference: that a site''s journal was recomputed, and what was found; append-only';

-- The bytes that stand for a posting: its row as binary COPY writes it. Said in Python too, where `compuerta
-- verify` hashes rows as they come out; a test holds the two together.
create function posting_hash(posting) returns bytea language sql stable parallel safe
return sha256(
    '\x0009'::bytea
    || '\x00000008'::bytea || int8send($1.account_id)
    || '\x00000010'::bytea || uuid_send($1.posting_id)
    || '\x00000008'::bytea || timestamptz_send($1.booked_at)
    || int4send(octet_length($1.kind)) || textsend($1.kind)
    || int4send(octet_length($1.currency)) || textsend($1.currency)
    || '\x00000010'::bytea || uuid_send($1.cause_id)
    || coalesce('\x00000010'::bytea || uuid_send($1.reverses), '\xffffffff'::bytea)
    || int4send(octet_length(array_send($1.codes))) || array_send($1.codes)
    || int4send(octet_length(array_send($1.amounts_minor))) || array_send($1.amounts_minor)
);

-- What is booked is booked now. What is not is looked at, and costs nobody else anything: the sealing finds a
-- late posting of the last hour by itself, and an older one here.
create function note_late_posting() returns trigger language plpgsql as $$
begin
    insert into posting_late (account_id, posting_id)
    select new.account_id, new.posting_id
    where exists (
        select from account a join anchor n on n.site_id = a.site_id
        where a.account_id = new.account_id and n.until > new.booked_at
    )
    on conflict do nothing;
    return null;
end $$;
create trigger posting_is_late after insert on posting
    for each row when (new.booked_at < now() - interval '1 hour') execute function note_late_posting();

do $$
declare
    kept text;
begin
    foreach kept in array array['seal', 'anchor', 'posting_late', 'journal_check'] loop
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
grant select, insert on seal, anchor, posting_late, journal_check to compuerta_work;

-- Months of the books: closed for good, and locked.
create table month_close (
    organisation_id bigint not null references organisation,
    month date not null check (extract(day from month) = 1), -- its first day
    closed_at timestamptz not null,
    closed_by text not null,
    why text not null,
    named jsonb not null, -- what was not as it should be, and was closed with a word
    totals jsonb not null, -- [currency, code, minor]: what was booked in the month, by code
    anchors jsonb not null, -- [site, anchor, digest]: the last of each site in the month
    previous bytea not null check (octet_length(previous) = 32), -- the digest of the close before it
    digest bytea not null check (octet_length(digest) = 32),
    primary key (organisation_id, month)
);
comment on table month_close is 'reference: a month of an organisation''s books, closed; append-only';

-- Under which an organisation's books are held while a month of them is closed, and shared by who books late.
create function books_lock(bigint) returns bigint language sql immutable parallel safe
return hashtextextended('books ' || $1, 0);

-- Nothing is booked before the end of a closed month, by the clock of the account's site. What is booked is
-- booked now, and no month is closed within two hours of its end: so nobody pays for this but the late.
create function refuse_closed_month() returns trigger language plpgsql as $$
declare
    shut date;
begin
    -- A month that is being closed has added itself up already.
    perform pg_advisory_xact_lock_shared(books_lock(organisation_id)) from account
    where account_id = new.account_id;
    select max(m.month) into shut
    from account a
    join site s on s.site_id = a.site_id
    join month_close m on m.organisation_id = a.organisation_id
    where a.account_id = new.account_id
        and m.month >= date_trunc('month', new.booked_at at time zone s.zone)::date;
    if shut is not null then
        raise exception 'the books are closed up to %', to_char(shut, 'YYYY-MM') using errcode = 'CPM01';
    end if;
    return null;
end $$;
create trigger posting_month_is_open after insert on posting
    for each row when (new.booked_at < now() - interval '1 hour') execute function refuse_closed_month();

create trigger month_close_is_kept before update or delete on month_close
    for each row execute function refuse_change();
create trigger month_close_is_kept_whole before truncate on month_close
    for each statement execute function refuse_change();
grant select, insert on month_close to compuerta_work;

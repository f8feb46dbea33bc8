-- Daily reports: documents by versions, and which of them people were told of.
create table daily_report (
    site_id bigint not null references site,
    day date not null, -- the site's own
    version integer not null check (version > 0),
    organisation_id bigint not null references organisation,
    made_at timestamptz not null,
    document text not null, -- JSON, to the byte as it was made
    bills text not null, -- the state of providers' bills that it rests on
    money text not null, -- what of it is money
    tell_at timestamptz, -- null = nobody is told
    primary key (site_id, day, version)
);
comment on table daily_report is 'reference: a site''s day as it was reported; append-only, by versions';
create index daily_report_of_day on daily_report (day);

create table daily_report_told (
    site_id bigint not null references site,
    day date not null,
    organisation_id bigint not null references organisation,
    money text not null, -- as it was told: another sum is told again
    told_at timestamptz not null,
    primary key (site_id, day, money)
);
comment on table daily_report_told is 'reference: of which days people were told, and of which sums; append-only';

-- Payments of a day: in their order on the disk, almost.
create index payment_of_posting_day on payment using brin (posted_at) with (pages_per_range = 32);

do $$
declare
    kept text;
begin
    foreach kept in array array['daily_report', 'daily_report_told'] loop
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
grant select, insert on daily_report, daily_report_told to compuerta_work;

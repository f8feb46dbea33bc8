-- Invoices: what use of a month has cost, told by law; each under a number without gaps.
create table seller (
    organisation_id bigint primary key references organisation,
    series text not null check (series ~ '^[A-Z0-9]{1,10}$'),
    name text not null check (name <> ''),
    country text not null check (country ~ '^[A-Z]{2}$'),
    tax_id text not null,
    company_no text not null,
    street text not null,
    city text not null,
    postcode text not null
);
comment on table seller is 'reference: who an organisation is by law';

create table buyer (
    account_id bigint primary key,
    name text not null check (name <> ''),
    country text not null check (country ~ '^[A-Z]{2}$'),
    tax_id text not null,
    company_no text not null,
    street text not null,
    city text not null,
    postcode text not null
);
comment on table buyer is 'distributed: who an account is by law';

-- The row that is locked while a number is given: a transaction that is undone undoes it too.
create table invoice_series (
    organisation_id bigint not null references organisation,
    series text not null,
    number_last bigint not null check (number_last > 0),
    primary key (organisation_id, series)
);
comment on table invoice_series is 'reference: the last number of each series of invoices';

create table invoice (
    account_id bigint not null,
    invoice_id uuid not null,
    organisation_id bigint not null,
    series text not null,
    number bigint not null check (number > 0),
    kind text not null check (kind in ('380', '381')),
    month date not null check (extract(day from month) = 1),
    issue integer not null check (issue > 0),
    corrects uuid,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    net_minor bigint not null,
    tax_minor bigint not null,
    total_minor bigint not null,
    sheet text not null,
    digest text not null check (digest ~ '^[0-9a-f]{64}$'),
    issued_on date not null,
    made_at timestamptz not null,
    made_by text not null,
    primary key (account_id, invoice_id),
    foreign key (account_id, corrects) references invoice,
    constraint invoice_adds_up check (net_minor + tax_minor = total_minor)
);
comment on table invoice is 'distributed: an invoice or a credit note, as it was issued; append-only';
-- A month is invoiced once, and once more for each invoice of it that was taken back.
create unique index invoice_of_month on invoice (account_id, month, issue) where corrects is null;
create unique index invoice_corrected_once on invoice (account_id, corrects) where corrects is not null;
create index invoice_of_organisation on invoice (organisation_id, month, series, number);

create table invoice_number (
    organisation_id bigint not null,
    series text not null,
    number bigint not null,
    account_id bigint not null,
    invoice_id uuid not null,
    primary key (organisation_id, series, number)
);
comment on table invoice_number is 'reference: numbers of invoices, unique across accounts';

create trigger invoice_is_kept before update or delete on invoice
    for each row execute function refuse_change();
create trigger invoice_is_kept_whole before truncate on invoice
    for each statement execute function refuse_change();
grant select, insert, update on seller, buyer, invoice_series to compuerta_work;
grant select, insert on invoice, invoice_number to compuerta_work;

-- Partners' bookkeeping is told of days, months and exports: these are of an organisation, and of no account.
alter table webhook_delivery
    alter column account_id drop not null,
    add column about text not null default '', -- what only such an event tells, as JSON
    drop constraint webhook_delivery_event_check,
    add constraint webhook_delivery_event_check check (event in (
        'order.paid', 'order.credited', 'order.power', 'order.failed', 'receipt.issued',
        'day.closed', 'month.closed', 'export.made'
    )),
    add constraint webhook_delivery_is_about_something check ((account_id is null) = (about <> ''));

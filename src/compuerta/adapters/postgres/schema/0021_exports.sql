-- The chart of accounts, and numbered exports.

create table chart_account (
    organisation_id bigint not null references organisation,
    code text not null check (code <> ''),
    number text not null check (number = '' or number ~ '^[0-9]{1,12}(\.[0-9]{1,6}){0,3}$'),
    name text not null,
    primary key (organisation_id, code),
    constraint chart_account_has_a_name check (number = '' or name <> '')
);
comment on table chart_account is
    'reference: which account each code of the ledger is told as to other books; no number = none';

create table voucher_layout (
    organisation_id bigint primary key references organisation,
    document jsonb not null
);
comment on table voucher_layout is 'reference: the columns of an organisation''s files of vouchers';

create table book_export (
    organisation_id bigint not null references organisation,
    export_no bigint not null check (export_no > 0),
    form text not null check (form in ('hledger', 'beancount', 'xlsx', 'csv')),
    part text not null check (part in ('journal', 'customers')),
    month date not null check (extract(day from month) = 1),
    site_id bigint references site,
    currency text check (currency ~ '^[A-Z]{3}$'),
    layout text not null,
    vouchers integer not null check (vouchers >= 0),
    size bigint not null check (size > 0),
    digest text not null check (digest ~ '^[0-9a-f]{64}$'),
    previous text not null check (previous ~ '^[0-9a-f]{64}$'),
    seal text not null check (seal ~ '^[0-9a-f]{64}$'),
    replaces bigint,
    made_by text not null check (made_by <> ''),
    made_at timestamptz not null,
    primary key (organisation_id, export_no),
    unique (organisation_id, previous), -- nothing follows one seal twice: the chain has no branches
    foreign key (organisation_id, replaces) references book_export,
    constraint book_export_replaces_an_earlier check (replaces < export_no)
);
comment on table book_export is
    'reference: exports to other books, each sealed with the one before; append-only';

create table book_export_file (
    organisation_id bigint not null,
    export_no bigint not null,
    packed bytea not null,
    primary key (organisation_id, export_no),
    foreign key (organisation_id, export_no) references book_export
);
comment on table book_export_file is 'reference: the file of each export, deflated; append-only';

create table book_answer (
    organisation_id bigint not null,
    export_no bigint not null,
    voucher_no integer not null check (voucher_no > 0),
    answer_no integer not null check (answer_no > 0),
    their_no text not null,
    ok boolean not null,
    note text not null,
    booked_on date,
    answered_by text not null check (answered_by <> ''),
    answered_at timestamptz not null,
    primary key (organisation_id, export_no, voucher_no, answer_no),
    foreign key (organisation_id, export_no) references book_export,
    constraint book_answer_is_one check (case when ok then their_no <> '' else note <> '' end)
);
comment on table book_answer is
    'reference: what other books say of each voucher, the last answer counts; append-only';

do $$
declare
    kept text;
begin
    foreach kept in array array['book_export', 'book_export_file', 'book_answer'] loop
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

grant select, insert, update on chart_account, voucher_layout to compuerta_work;
grant select, insert on book_export, book_export_file, book_answer to compuerta_work;

-- Tariffs: versions that never change, who is billed by which, and charges that can be explained.

-- Small, read by all: reference tables.

create table tariff (
    tariff_id bigint generated always as identity primary key,
    organisation_id bigint not null references organisation,
    name text not null check (name <> ''),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    -- Counts approvals and withdrawals, so that whoever keeps versions in memory sees that there are others.
    generation bigint not null default 0,
    created_at timestamptz not null,
    unique (organisation_id, name)
);
comment on table tariff is 'reference: a line of versions under one name';

create table tariff_version (
    tariff_id bigint not null references tariff,
    version_no integer not null check (version_no > 0),
    effective_from timestamp not null, -- the wall clock of each site
    document jsonb not null,
    fingerprint text not null,
    state text not null check (state in ('draft', 'proposed', 'approved', 'withdrawn')),
    drafted_by text not null,
    drafted_at timestamptz not null,
    proposed_by text,
    proposed_at timestamptz,
    decided_by text,
    decided_at timestamptz,
    note text not null default '',
    primary key (tariff_id, version_no),
    constraint tariff_version_is_proposed_by_somebody
        check (state in ('draft', 'withdrawn') or num_nulls(proposed_by, proposed_at) = 0),
    constraint tariff_version_is_decided_by_somebody
        check ((state in ('approved', 'withdrawn')) = (num_nulls(decided_by, decided_at) = 0)),
    -- Nobody approves their own request (promise A2), also not who wrote the draft.
    constraint tariff_version_has_two_persons
        check (state <> 'approved' or (decided_by <> proposed_by and decided_by <> drafted_by))
);
comment on table tariff_version is
    'reference: what a tariff says from an instant on; never changed once it is proposed';
create unique index tariff_version_approved on tariff_version (tariff_id, effective_from)
    where state = 'approved';

-- What was proposed stays as it was proposed, and a decision stays.
create function keep_proposed() returns trigger language plpgsql as $$
begin
    if old.state = 'draft' then
        return new;
    end if;
    if (new.tariff_id, new.version_no, new.effective_from, new.document, new.fingerprint, new.drafted_by,
        new.drafted_at, new.proposed_by, new.proposed_at)
        is distinct from (old.tariff_id, old.version_no, old.effective_from, old.document, old.fingerprint,
        old.drafted_by, old.drafted_at, old.proposed_by, old.proposed_at)
        or old.state <> 'proposed'
    then
        raise exception 'version % of tariff % is % and cannot be changed', old.version_no, old.tariff_id,
            old.state using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end $$;
create trigger tariff_version_is_kept before update on tariff_version
    for each row execute function keep_proposed();
create trigger tariff_version_stays before delete on tariff_version
    for each row execute function refuse_change();

-- By which tariff an account is billed: from its opening, and from later instants.

alter table account
    add tariff_id bigint references tariff,
    add persons integer check (persons > 0),
    add contracted_w bigint check (contracted_w > 0),
    add reassigned boolean not null default false;

create table tariff_assignment (
    account_id bigint not null references account,
    starts_at timestamptz not null,
    tariff_id bigint not null references tariff,
    persons integer check (persons > 0),
    contracted_w bigint check (contracted_w > 0),
    primary key (account_id, starts_at)
);
comment on table tariff_assignment is 'reference: a tariff that an account has changed to; append-only';

-- Prices that accounts had become tariffs, one for each price and organisation.
insert into tariff (organisation_id, name, currency, generation, created_at)
select a.organisation_id, format('Flat %s', a.price_per_kwh), z.currency, 1, min(a.opened_at)
from account a join site z using (site_id)
where a.kind = 'customer'
group by a.organisation_id, a.price_per_kwh, z.currency;

insert into tariff_version (
    tariff_id, version_no, effective_from, document, fingerprint, state, drafted_by, drafted_at,
    proposed_by, proposed_at, decided_by, decided_at, note
)
select tariff_id, 1, timestamp '2000-01-01 00:00', jsonb_build_object(
        'name', name, 'currency', currency,
        'components', jsonb_build_array(jsonb_build_object(
            'kind', 'energy', 'name', 'Energy',
            'periods', jsonb_build_array(
                jsonb_build_object('name', 'all day', 'prices', jsonb_build_array(substr(name, 6)))
            ),
            'day_tables', jsonb_build_object('every day', jsonb_build_array('00:00 all day')),
            'seasons', jsonb_build_array(
                jsonb_build_object('name', 'all year', 'from', '01-01', 'every day', 'every day')
            )
        ))
    ), '', 'approved', 'account opening', created_at, 'account opening', created_at, 'migration', created_at,
    'the price per kWh of accounts that were opened before there were tariffs'
from tariff;

update account a set tariff_id = t.tariff_id
from tariff t
where t.organisation_id = a.organisation_id and t.name = format('Flat %s', a.price_per_kwh)
    and a.kind = 'customer';

alter table account
    drop price_per_kwh,
    add constraint account_has_a_tariff check ((kind = 'customer') = (tariff_id is not null));

-- Charges and bills -----------------------------------------------------------------------------------

alter table account_state
    add tally bigint[] not null default '{}', -- the open bill; empty before the first
    add register_rates_wh bigint[]; -- the meter's registers by rate at `register_at`, where it has them

-- Bulk work renews every row of a page at once: half of it is kept free for that, or each row would move to
-- another page and be written into the index again.
alter table account_state set (fillfactor = 48);
alter table meter_state set (fillfactor = 48);

alter table reading add rates_wh bigint[];

create table bill (
    account_id bigint not null,
    bill_start timestamptz not null,
    opening bigint[] not null,
    primary key (account_id, bill_start)
);
comment on table bill is
    'distributed: where a bill began: with its charges it can be made again, line by line; append-only';

-- Charges made before this had one price; they stay as they are, and belong to no bill.
alter table charge
    alter price_per_kwh drop not null,
    add bill_start timestamptz,
    add from_at timestamptz,
    add rates_wh bigint[],
    add tariff_id bigint,
    add version_no integer,
    add basis text not null default 'read' check (basis in ('read', 'spread', 'days', 'intervals')),
    drop constraint charge_check,
    drop constraint charge_check1,
    drop constraint charge_account_id_from_wh_key,
    add constraint charge_goes_forward check (to_wh >= from_wh),
    add constraint charge_is_explained
        check ((price_per_kwh is null) = (num_nulls(bill_start, from_at, tariff_id, version_no) = 0));

-- A charge's bill is there. No foreign key: that looks for the bill of each charge by a query of its own, and
-- locks it, which is a sixth of all the work that a million charges are; a bill, once written, stays anyway.
-- The limit makes the planner look each bill up instead of reading all that there are.
create function require_bills() returns trigger language plpgsql as $$
declare
    orphan uuid;
begin
    select a.charge_id into orphan
    from added a
    left join lateral (
        select true as is_there from bill b
        where b.account_id = a.account_id and b.bill_start = a.bill_start limit 1
    ) b on true
    where a.bill_start is not null and b.is_there is null
    limit 1;
    if found then
        raise exception 'charge % belongs to no bill', orphan
            using errcode = 'foreign_key_violation', constraint = 'charge_of_a_bill';
    end if;
    return null;
end $$;
create trigger charge_has_a_bill after insert on charge
    referencing new table as added for each statement execute function require_bills();
create unique index charge_of_energy_once on charge (account_id, from_wh) where to_wh > from_wh;

-- Most postings have two lines; seeing that they cancel must not cost two calls of a function for each.
alter table posting
    drop constraint posting_sums_to_zero,
    drop constraint posting_has_no_empty_line,
    add constraint posting_sums_to_zero check (
        case cardinality(amounts_minor)
            when 2 then amounts_minor[1] = -amounts_minor[2]
            else sums_to_zero(amounts_minor)
        end is true
    ),
    add constraint posting_has_no_empty_line check (
        case cardinality(amounts_minor)
            when 2 then amounts_minor[1] <> 0 and amounts_minor[2] <> 0
            else not has_zero(amounts_minor)
        end is true
    );

-- What meters measured by intervals, a day to a row: for bills by the interval, and for trying tariffs on.
create table load_day (
    meter_id bigint not null,
    starts_at timestamptz not null, -- of the site's local day
    minutes smallint not null check (minutes in (5, 10, 15, 30, 60)),
    wh integer[] not null check (0 <= all (wh)),
    primary key (meter_id, starts_at)
);
comment on table load_day is 'distributed: the use of a local day by intervals; append-only';

alter table account
    add billed_by text not null default 'register' check (billed_by in ('register', 'intervals'));
create index account_billed_by_intervals on account (account_id) where billed_by = 'intervals';

-- A tariff on its way into a meter --------------------------------------------------------------------

alter table instruction
    add tariff_id bigint,
    add version_no integer,
    add effective_at timestamptz, -- when the meter is to take the tariff over
    drop constraint instruction_kind_check,
    add constraint instruction_kind_check check (kind in ('recharge', 'switch', 'tariff')),
    drop constraint instruction_is_whole,
    add constraint instruction_is_whole check (
        case kind
            when 'recharge' then num_nulls(amount_minor, purchase_no, recharge_id) = 0
                and num_nulls(relay_closed, tariff_id, version_no, effective_at) = 4
            when 'switch' then relay_closed is not null
                and num_nulls(amount_minor, purchase_no, recharge_id, tariff_id, version_no, effective_at) = 6
            when 'tariff' then num_nulls(tariff_id, version_no, effective_at) = 0
                and num_nulls(amount_minor, purchase_no, recharge_id, relay_closed) = 4
        end
    );
create index instruction_of_tariff_and_meter on instruction (meter_id, effective_at) where kind = 'tariff';
create index instruction_of_tariff_waits on instruction (effective_at)
    where kind = 'tariff' and state = 'waiting';
create index instruction_of_tariff on instruction (tariff_id, version_no) where kind = 'tariff';

do $$
declare
    kept text;
begin
    foreach kept in array array['bill', 'tariff_assignment', 'load_day'] loop
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

grant select, insert, update on tariff, tariff_version to compuerta_work;
grant select, insert on tariff_assignment, bill, load_day to compuerta_work;

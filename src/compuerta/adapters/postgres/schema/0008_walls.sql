-- The walls (promise A1): whoever works for one organisation sees and changes rows of no other.
--
-- People's and machines' transactions work as `compuerta_desk`, and say for whom:
--   compuerta.organisation_id   whose rows there are; nothing said, no rows
--   compuerta.scope             '' = all of the organisation, else an array of '<site>' and '<site>/<building>'
-- Gateways, workers and payment notices serve all organisations, and go on as `compuerta_work`.

do $$
begin
    if not exists (select from pg_roles where rolname = 'compuerta_desk') then
        create role compuerta_desk nologin;
    end if;
    -- All that the program may, and less: the policies below take away what is not the organisation's.
    grant compuerta_work to compuerta_desk;
    execute format('grant compuerta_desk to %I', current_user);
end $$;

create function desk_organisation() returns bigint language sql stable parallel safe
    return nullif(current_setting('compuerta.organisation_id', true), '')::bigint;
create function desk_scope() returns text[] language sql stable parallel safe
    return nullif(current_setting('compuerta.scope', true), '')::text[];
create function desk_reaches(site_id bigint, building text) returns boolean language sql stable parallel safe
    return desk_scope() is null or site_id::text = any (desk_scope())
        or format('%s/%s', site_id, building) = any (desk_scope());

-- Whether a meter is the organisation's, asked past the policies: those of meters ask for installations.
create function desk_owns_meter(bigint) returns boolean
    language sql stable security definer set search_path from current as $$
    select exists (select from meter where meter_id = $1 and organisation_id = desk_organisation())
$$;

-- A view asks with the rights of who looks through it.
alter view posting_line set (security_invoker = true);
alter view recharge_timeline set (security_invoker = true);

-- Of each table: which rows there are. What is written must besides name nothing that is not there: see below.
create function pg_temp.rows_of(named text, columns text[]) returns text language sql as $$
    select coalesce(string_agg(clause, ' and ' order by place), 'true') from (
        select 1 as place, 'organisation_id = desk_organisation()' as clause
        where 'organisation_id' = any (columns)
        union all select 2, case named
            when 'site' then $q$(desk_scope() is null or site_id::text in (
                select split_part(reached, '/', 1) from unnest(desk_scope()) as reached))$q$
            when 'supply_point' then 'exists (select from site s where s.site_id = supply_point.site_id)
                and desk_reaches(site_id, building)'
            when 'account' then '(desk_scope() is null or exists (
                select from supply_point p where p.supply_point_id = account.supply_point_id))'
            -- A meter is where it measures, or measured.
            when 'meter' then '(desk_scope() is null or exists (
                select from installation i where i.meter_id = meter.meter_id))'
            when 'meter_alarm' then 'exists (select from meter m where m.meter_id = meter_alarm.meter_id)'
            when 'endpoint_state' then
                'exists (select from endpoint e where e.endpoint_id = endpoint_state.endpoint_id)'
            when 'tariff_version' then
                'exists (select from tariff t where t.tariff_id = tariff_version.tariff_id)'
            -- An act on a tariff is seen by whoever works for the whole organisation.
            when 'audit' then $q$(desk_scope() is null or exists (
                select from account a
                where a.account_id = substring(subject from '^account ([0-9]+)$')::bigint))$q$
            when 'inbound_message' then 'false' -- from providers, about whomever
            when 'alarm' then 'false' -- of the installation, as the next
            when 'role_beat' then 'false'
            when 'organisation' then null
            else case
                when 'account_id' = any (columns) then format(
                    '(account_id is null or exists (select from account a where a.account_id = %I.account_id))',
                    named)
                when 'meter_id' = any (columns) then format(
                    '(meter_id is null or exists (select from meter m where m.meter_id = %I.meter_id))', named)
                when 'site_id' = any (columns) then format(
                    '(site_id is null or exists (select from site s where s.site_id = %I.site_id))', named)
            end
        end
    ) as clauses where clause is not null
$$;

create function pg_temp.names_of(named text, columns text[], said text) returns text language sql as $$
    select coalesce(string_agg(
        case
            when (named, name) = ('installation', 'meter_id') then ' and desk_owns_meter(meter_id)'
            else format(
                ' and (%1$I is null or exists (select from %2$I there where there.%3$I = %4$I.%1$I))',
                name, told, key, named
            )
        end, '' order by name
    ), '')
    from (values
        ('account_id', 'account', 'account_id'),
        ('closed_account_id', 'account', 'account_id'),
        ('opened_account_id', 'account', 'account_id'),
        ('suspense_account_id', 'account', 'account_id'),
        ('meter_id', 'meter', 'meter_id'),
        ('feeder_meter_id', 'meter', 'meter_id'),
        ('old_meter_id', 'meter', 'meter_id'),
        ('new_meter_id', 'meter', 'meter_id'),
        ('contact_id', 'contact', 'contact_id'),
        ('endpoint_id', 'endpoint', 'endpoint_id'),
        ('operation_id', 'mass_operation', 'operation_id'),
        ('site_id', 'site', 'site_id'),
        ('supply_point_id', 'supply_point', 'supply_point_id'),
        ('tariff_id', 'tariff', 'tariff_id')
    ) as keys (name, told, key)
    where name = any (columns) and told <> named and position(format('%I.%I', named, name) in said) = 0
$$;

do $$
declare
    ours record;
    said text;
begin
    for ours in
        select c.relname::text as named, array(
            select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped
        ) as columns
        from pg_class c
        where c.relnamespace = current_schema::regnamespace and c.relkind in ('r', 'p')
            and obj_description(c.oid, 'pg_class') ~ '^(distributed|reference): '
        order by c.relname
    loop
        said := pg_temp.rows_of(ours.named, ours.columns);
        execute format('alter table %I enable row level security', ours.named);
        execute format('create policy everybody on %I using (true) with check (true)', ours.named);
        execute format(
            'create policy wall on %I as restrictive to compuerta_desk using (%s) with check (%s)',
            ours.named, said, said || pg_temp.names_of(ours.named, ours.columns, said)
        );
    end loop;
end $$;

drop function pg_temp.rows_of(text, text[]);
drop function pg_temp.names_of(text, text[], text);

-- Keys are made and revoked by people, never by what serves machines and meters.
grant insert, update on api_key to compuerta_desk;

-- The walls of 0008, for the tables of roads.

create function pg_temp.rows_of(named text, columns text[]) returns text language sql as $$
    select coalesce(string_agg(clause, ' and ' order by place), 'true') from (
        select 1 as place, 'organisation_id = desk_organisation()' as clause
        where 'organisation_id' = any (columns)
        union all select 2, case
            when 'account_id' = any (columns) then format(
                '(account_id is null or exists (select from account a where a.account_id = %I.account_id))', named)
            when 'organisation_id' <> all (columns) and 'provider' = any (columns) then format(
                'exists (select from provider_account p where p.provider = %I.provider)', named)
            when 'organisation_id' <> all (columns) and 'meter_id' = any (columns) then format(
                'exists (select from meter m where m.meter_id = %I.meter_id)', named)
            when 'organisation_id' <> all (columns) and 'endpoint_id' = any (columns) then format(
                'exists (select from endpoint e where e.endpoint_id = %I.endpoint_id)', named)
            when 'organisation_id' <> all (columns) and 'outpost_id' = any (columns) then format(
                'exists (select from outpost o where o.outpost_id = %I.outpost_id)', named)
            when 'organisation_id' <> all (columns) and 'plan_id' = any (columns) then format(
                'exists (select from road_plan p where p.plan_id = %I.plan_id)', named)
        end
        -- A day of a site is there for whoever reaches the site; a meter's, or an account's, with these.
        union all select 3, format(
            '(site_id is null or exists (select from site s where s.site_id = %I.site_id))', named)
        where 'site_id' = any (columns) and 'account_id' <> all (columns)
    ) as clauses where clause is not null
$$;

-- What is written names nothing that is not there for whoever writes it.
create function pg_temp.names_of(named text, columns text[]) returns text language sql as $$
    select coalesce(string_agg(format(
        ' and (%1$I is null or exists (select from %2$I there where there.%3$I = %4$I.%1$I))',
        name, told, key, named
    ), '' order by name), '')
    from (values
        ('to_account_id', 'account', 'account_id'),
        ('meter_id', 'meter', 'meter_id'),
        ('site_id', 'site', 'site_id'),
        ('provider', 'provider_account', 'provider'),
        ('webhook_id', 'webhook', 'webhook_id'),
        ('endpoint_id', 'endpoint', 'endpoint_id')
    ) as keys (name, told, key)
    where name = any (columns) and told <> named
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
            and obj_description(c.oid, 'pg_class') ~ '^(distributed|reference): ' and not c.relrowsecurity
        order by c.relname
    loop
        said := pg_temp.rows_of(ours.named, ours.columns);
        execute format('alter table %I enable row level security', ours.named);
        execute format('create policy everybody on %I using (true) with check (true)', ours.named);
        execute format(
            'create policy wall on %I as restrictive to compuerta_desk using (%s) with check (%s)',
            ours.named, said, said || pg_temp.names_of(ours.named, ours.columns)
        );
    end loop;
end $$;

drop function pg_temp.rows_of(text, text[]);
drop function pg_temp.names_of(text, text[]);

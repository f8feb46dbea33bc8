-- Supply: reasons instead of a boolean, and everything that decides one.

-- What organisations, sites and accounts have settled; the nearer one wins, field by field (domain/policy).
alter table organisation add policy jsonb not null default '{}';
alter table site add policy jsonb not null default '{}';
alter table account add policy jsonb not null default '{}';

alter table meter_state
    add wanted_kept boolean not null default false, -- a meter with credit is to stay on although it is used up
    add decide_at timestamptz, -- when the clock alone may change what supply should be
    add out_since timestamptz, -- since when only the stages before a cut keep supply on
    add differs_since timestamptz, -- since when the relay is not where it is wanted
    add counts jsonb not null default '{}'; -- what the meter has counted of its events, by kind
create index meter_state_to_decide on meter_state (decide_at) where decide_at is not null;

alter table supply_hold
    add until_wh bigint check (until_wh >= 0), -- the register at which a temporary supply is over
    add ended_by text,
    drop constraint supply_hold_kind_check,
    add constraint supply_hold_kind_check check (
        kind in ('safety', 'overload', 'administrator', 'vacancy', 'protected', 'temporary')
    ),
    add constraint supply_hold_of_energy_is_temporary check (until_wh is null or kind = 'temporary');

create table emergency_credit (
    account_id bigint not null,
    taken_at timestamptz not null,
    limit_minor bigint not null check (limit_minor > 0),
    taken_by text not null,
    used_at timestamptz, -- since when it keeps supply on
    spent_at timestamptz, -- used up: nothing more of it until it is repaid
    repaid_at timestamptz,
    primary key (account_id, taken_at)
);
comment on table emergency_credit is 'distributed: credit beyond zero, once until it is repaid';
create unique index emergency_credit_open on emergency_credit (account_id) where repaid_at is null;

-- The relay's story: every change of what supply should be, and why.
create table supply_change (
    meter_id bigint not null,
    change_no bigint generated always as identity,
    account_id bigint not null,
    at timestamptz not null,
    closed boolean not null,
    kept boolean not null,
    reason text not null check (reason <> ''),
    was_closed boolean, -- null = nobody had decided before
    was_reason text not null,
    until timestamptz, -- when the clock alone may change it again
    read_at timestamptz, -- the reading that it rests on
    primary key (meter_id, change_no)
);
comment on table supply_change is 'distributed: every decision on supply that differs from the one before; append-only';
create trigger supply_change_is_kept before update or delete on supply_change
    for each row execute function refuse_change();
create trigger supply_change_is_kept_whole before truncate on supply_change
    for each statement execute function refuse_change();

-- Instructions: a look before a cut, and the limits that a meter watches by itself. A switch may ask a meter
-- with credit to stay on; one to a meter that was exchanged is cancelled, whatever it was.
alter table instruction
    add kept boolean not null default false,
    add limits jsonb, -- of kind limits
    drop constraint instruction_kind_check,
    add constraint instruction_kind_check check (kind in ('recharge', 'switch', 'tariff', 'look', 'limits')),
    drop constraint instruction_state_check,
    add constraint instruction_state_check check (
        state in ('waiting', 'in_flight', 'accepted', 'done', 'refused', 'superseded', 'cancelled')
    ),
    drop constraint instruction_is_whole,
    add constraint instruction_is_whole check (
        num_nonnulls(amount_minor, purchase_no, recharge_id) = case kind when 'recharge' then 3 else 0 end
        and num_nonnulls(relay_closed) = case kind when 'switch' then 1 else 0 end
        and num_nonnulls(tariff_id, version_no, effective_at) = case kind when 'tariff' then 3 else 0 end
        and num_nonnulls(limits) = case kind when 'limits' then 1 else 0 end
        and (not kept or relay_closed)
    );
-- One look is enough for whoever asks, and of limits only the last are wanted (promise S4).
create unique index instruction_looks_once on instruction (meter_id)
    where kind = 'look' and ended_at is null;
create unique index instruction_limits_wait_once on instruction (meter_id)
    where kind = 'limits' and state = 'waiting';

grant select, insert, update on emergency_credit to compuerta_work;
grant select, insert on supply_change to compuerta_work;

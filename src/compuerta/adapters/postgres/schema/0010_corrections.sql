-- Putting right what went wrong with money: by two people, and never before the credit is back.

alter table instruction
    drop constraint instruction_kind_check,
    add constraint instruction_kind_check check (
        kind in ('recharge', 'switch', 'tariff', 'look', 'limits', 'withdrawal')
    ),
    add correction_id uuid,
    drop constraint instruction_purchase_no_once,
    drop constraint recharge_is_never_superseded,
    add constraint recharge_is_never_superseded
        check (kind not in ('recharge', 'withdrawal') or state <> 'superseded'),
    drop constraint instruction_is_whole,
    add constraint instruction_is_whole check (
        num_nonnulls(amount_minor, purchase_no)
            = case when kind in ('recharge', 'withdrawal') then 2 else 0 end
        and num_nonnulls(recharge_id) = case kind when 'recharge' then 1 else 0 end
        and num_nonnulls(correction_id) = case kind when 'withdrawal' then 1 else 0 end
        and num_nonnulls(relay_closed) = case kind when 'switch' then 1 else 0 end
        and num_nonnulls(tariff_id, version_no, effective_at) = case kind when 'tariff' then 3 else 0 end
        and num_nonnulls(limits) = case kind when 'limits' then 1 else 0 end
        and (not kept or relay_closed)
    );
-- A number that the meter never took is given out again: it may leave no gap, since the meter counts by one.
create unique index instruction_purchase_no_once on instruction (meter_id, purchase_no)
    where state not in ('refused', 'cancelled');
-- One at a time; who takes a refused one up again orders another.
create unique index instruction_withdraws_once on instruction (meter_id, correction_id)
    where state not in ('refused', 'cancelled');
create index instruction_of_correction on instruction (correction_id) where correction_id is not null;

-- One wish to put money right. Who proposes does not decide (promise A2).
create table correction (
    account_id bigint not null, -- whose books the money is in: a suspense account's, where it is not placed
    correction_id uuid not null,
    organisation_id bigint not null references organisation,
    kind text not null check (kind in ('place', 'move', 'refund', 'void', 'adjust', 'open_debt', 'write_off')),
    state text not null check (
        state in ('proposed', 'rejected', 'taking_back', 'paying', 'done', 'stuck')
    ),
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    payment_id uuid,
    to_account_id bigint, -- whom it is for
    debt_id uuid,
    way text not null default '' check (way in ('', 'provider', 'cash')), -- how a refund goes back
    why text not null check (why <> ''),
    proposed_by text not null,
    proposed_at timestamptz not null,
    decided_by text,
    decided_at timestamptz,
    note text not null default '',
    ended_at timestamptz,
    primary key (account_id, correction_id),
    constraint correction_by_two check (decided_by <> proposed_by),
    constraint correction_is_decided check (
        (state = 'proposed') = (decided_by is null) and (decided_by is null) = (decided_at is null)
    ),
    constraint correction_ends
        check ((ended_at is null) = (state in ('proposed', 'taking_back', 'paying', 'stuck'))),
    constraint correction_says_how check ((way <> '') = (kind = 'refund')),
    constraint correction_says_whom check ((to_account_id is not null) = (kind in ('place', 'move'))),
    constraint correction_says_of_what check (
        (payment_id is not null) = (kind in ('place', 'move', 'refund', 'void'))
        and (debt_id is not null) = (kind = 'write_off')
    )
);
comment on table correction is 'distributed: a payment or a debt that two people put right';
create index correction_open on correction (organisation_id, proposed_at) where ended_at is null;
create index correction_taking_back on correction (account_id) where state = 'taking_back';
create index correction_by_payment on correction (account_id, payment_id) where payment_id is not null;
-- Of one payment, one thing is put right at a time.
create unique index correction_of_payment on correction (account_id, payment_id)
    where payment_id is not null and ended_at is null;

-- Money on its way back to the payer; the reference is ours, and a retry carries the same.
create table refund (
    account_id bigint not null,
    refund_id uuid not null,
    correction_id uuid, -- null where the provider gave money back that nobody here asked it to
    payment_id uuid not null,
    provider text not null,
    reference text not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    state text not null check (state in ('waiting', 'sent', 'done', 'abnormal', 'closed')),
    asks integer not null default 0,
    ask_at timestamptz,
    provider_no text not null default '', -- the provider's own number of it
    last_answer text not null default '',
    created_at timestamptz not null,
    ended_at timestamptz,
    primary key (account_id, refund_id),
    foreign key (account_id, correction_id) references correction,
    foreign key (account_id, payment_id) references payment,
    constraint refund_reference_once unique (account_id, provider, reference),
    constraint refund_ends check ((ended_at is null) = (state in ('waiting', 'sent'))),
    constraint refund_is_asked_about_while_open check (ask_at is null or ended_at is null),
    constraint refund_unasked_is_done check (correction_id is not null or state = 'done')
);
comment on table refund is 'distributed: money on its way back to its payer';
create index refund_to_ask on refund (ask_at) where ask_at is not null;
create index refund_of_reference on refund (provider, reference);
create index refund_by_payment on refund (account_id, payment_id);
-- One refund of a correction is under way at a time.
create unique index refund_of_correction on refund (account_id, correction_id) where ended_at is null;
-- ... and one is paid: what a provider pays besides was not asked for.
create unique index refund_pays_once on refund (account_id, correction_id) where state = 'done';

-- A payer's bank takes money back: opened, then won or lost. What was used is a debt.
create table dispute (
    account_id bigint not null,
    dispute_id uuid not null,
    provider text not null,
    dispute_no text not null,
    payment_id uuid not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    state text not null check (state in ('opened', 'won', 'lost')),
    debt_id uuid, -- of whoever has the credit by now: another account, where it was moved
    opened_at timestamptz not null,
    ended_at timestamptz,
    primary key (account_id, dispute_id),
    foreign key (account_id, payment_id) references payment,
    constraint dispute_ends check ((ended_at is null) = (state = 'opened'))
);
comment on table dispute is 'distributed: a payment that the payer''s bank takes back';
create index dispute_by_payment on dispute (account_id, payment_id);

-- Credit is granted by a payment or by an adjustment: carried from a meter, or placed by two people.
alter table adjustment
    drop constraint adjustment_kind_check,
    add constraint adjustment_kind_check check (kind in ('carried', 'placed', 'goodwill')),
    add correction_id uuid,
    add constraint adjustment_is_of_a_correction check ((correction_id is null) = (kind = 'carried'));

grant select, insert, update on correction, refund, dispute to compuerta_work;

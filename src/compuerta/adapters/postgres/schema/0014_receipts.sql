-- Receipts: a token that nobody can guess leads to a page that says whether a receipt is genuine.
create table receipt (
    account_id bigint not null,
    recharge_id uuid not null,
    token uuid not null,
    number text not null, -- as printed
    issued_at timestamptz not null,
    bought_wh bigint check (bought_wh >= 0), -- at the prices then
    prints integer not null default 0 check (prints >= 0), -- all but the first are copies
    primary key (account_id, recharge_id),
    foreign key (account_id, recharge_id) references recharge
);
comment on table receipt is 'distributed: what was handed out for a recharge';
-- Guessed never: 122 random bits. One index of its own finds a receipt by it.
create index receipt_token on receipt (token);
grant select, insert, update on receipt to compuerta_work;

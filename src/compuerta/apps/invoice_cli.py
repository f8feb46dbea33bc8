"""`compuerta export ubl` and `seller`: invoices of a month, and whose they are."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer
from rich.console import Console
from rich.progress import track

from compuerta.apps import export_cli
from compuerta.domain.errors import Refused
from compuerta.services import statement_months

if TYPE_CHECKING:
    from compuerta.adapters.postgres.store import PostgresStore

Account = Annotated[int | None, typer.Option(min=1, max=export_cli.BIGINT_MAX, help="only this one")]


class AccountsUnclear(Refused):
    """Neither one account nor all, or both."""

    def __init__(self) -> None:
        super().__init__("name one account by --account, or all of them by --all")


def ubl(
    month: Annotated[str, typer.Option(help="such as 2026-11; it must be over")],
    out: Annotated[Path, typer.Option(file_okay=False, help="folder for one file each, by number")],
    account: Account = None,
    every: Annotated[bool, typer.Option("--all", help="all accounts that something was earned of")] = False,
    organisation: export_cli.Organisation = None,
) -> None:
    """Write the invoices of a month as UBL 2.1; those that were not issued yet are issued now, for good."""
    if every == (account is not None):
        raise AccountsUnclear
    first = statement_months.parsed(month).first
    console = Console(stderr=True)
    with export_cli.the_store() as store:
        accounts = _accounts(store, account, first, organisation)
        out.mkdir(parents=True, exist_ok=True)
        # One by one: what was done stays when it is stopped.
        tracked = track(accounts, "invoices", console=console, transient=True)
        count = sum(_write(store, account_id, first, out) for account_id in tracked)
    console.print(f"{count} invoices and credit notes in {out}", soft_wrap=True)


def seller(
    name: Annotated[str, typer.Option(help="of the company, or of the person, by law")],
    country: Annotated[str, typer.Option(help="two letters, such as MX")],
    tax_id: Annotated[
        str, typer.Option(help="tax number, with the country in front, such as MXXAXX010101000")
    ],
    company_no: Annotated[str, typer.Option(help="in the register of companies")] = "",
    street: str = "",
    city: str = "",
    postcode: str = "",
    series: Annotated[str, typer.Option(help="in front of the numbers")] = "A",
    organisation: export_cli.Organisation = None,
) -> None:
    """Say who an organisation is by law: what its invoices name as the seller."""
    from compuerta.apps import wiring
    from compuerta.services import invoicing
    from compuerta.services.invoice_port import Seller
    from compuerta.wire.ubl.writing import Party

    party = Party(
        name=name, country=country, tax_id=tax_id, company_no=company_no, street=street, city=city,
        postcode=postcode,
    )  # fmt: skip
    with export_cli.the_store() as store:
        number = export_cli.organisation_of(store, organisation)
        told = Seller(organisation_id=number, party=party, series=series)
        actor = export_cli.actor_of("who sells")
        invoicing.set_seller(store, told, actor=actor, act_id=uuid4(), now=wiring.now())


def _accounts(
    store: "PostgresStore", account: int | None, month: date, organisation: int | None
) -> list[int]:
    from compuerta.services import invoicing

    if account is not None:
        return [account]
    return invoicing.to_invoice(store, export_cli.organisation_of(store, organisation), month)


def _write(store: "PostgresStore", account_id: int, month: date, out: Path) -> int:
    """Issue an account's invoice, and write all of its month, those that were taken back too."""
    from compuerta.apps import wiring
    from compuerta.apps.desk import tried
    from compuerta.services import invoicing

    actor = export_cli.actor_of("invoices of a month")
    tried(store, lambda each: invoicing.issue(each, account_id, month, actor=actor, now=wiring.now()))
    with store.transaction() as tx:
        made = tx.invoices.of_month(account_id, month)
    for each in made:
        (out / f"{each.name}.xml").write_bytes(invoicing.document_of(each))
    return len(made)

"""`compuerta export`: the books in the forms that other programs read."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from compuerta.apps import config
from compuerta.domain.errors import Refused
from compuerta.services import statement_months
from compuerta.services.export_port import Form, Part

if TYPE_CHECKING:
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.services.acting import Actor

BIGINT_MAX = 2**63 - 1
ANSWERS_BYTES_MAX = 10_000_000

commands = typer.Typer(help="Hand the books to other programs.", no_args_is_help=True)

Organisation = Annotated[
    int | None, typer.Option(min=1, max=BIGINT_MAX, help="its number; not needed where there is one only")
]
Number = Annotated[int, typer.Argument(min=1, max=BIGINT_MAX, help="of the export")]


class OrganisationUnclear(Refused):
    """There are several organisations, or none, and nobody said which."""

    def __init__(self, count: int) -> None:
        super().__init__(f"there are {count} organisations: say which by --organisation")
        self.count = count


class FileUnwritable(Refused):
    """A file that cannot be read or written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


@commands.command()
def journal(
    form: Annotated[Form, typer.Option("--format", help="what is to read it")],
    month: Annotated[str, typer.Option(help="such as 2026-11")],
    organisation: Organisation = None,
    site: Annotated[int | None, typer.Option(min=1, max=BIGINT_MAX, help="only this one")] = None,
    part: Annotated[Part, typer.Option(help="daily totals, or the customers behind them")] = Part.JOURNAL,
    currency: Annotated[str | None, typer.Option(help="only this one; vouchers hold one")] = None,
    layout: Annotated[
        str | None, typer.Option(help="columns of vouchers: plain, kingdee, yonyou, own")
    ] = None,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="a file; without it, printed")] = None,
) -> None:
    """Write a month of the books under a number; the same books again are the same number and bytes."""
    from compuerta.adapters.books.writers import writer_of
    from compuerta.apps import wiring
    from compuerta.apps.desk import tried
    from compuerta.services import exporting
    from compuerta.services.bookkeeping import Wish

    first = statement_months.parsed(month).first
    console = Console(stderr=True)
    with the_store() as store, _progress(console) as progress:
        wish = Wish(
            organisation_id=organisation_of(store, organisation),
            form=form,
            month=first,
            part=part,
            site_id=site,
            currency=currency,
            layout=layout,
        )
        task = progress.add_task("reading the books", total=None)

        def told(done: int, of_all: int) -> None:
            progress.update(task, completed=done, total=of_all)

        made = tried(
            store,
            lambda each: exporting.make(
                each, wish, writer=writer_of(form), actor=actor_of("export"), now=wiring.now(), told=told
            ),
        )
        _, file = exporting.content(
            store, organisation_id=wish.organisation_id, export_no=made.export.export_no
        )
    _give(file, out)
    told_as = "new" if made.is_new else "as it was told before"
    replaced = f", replaces {made.export.replaces}" if made.export.replaces else ""
    console.print(
        f"export {made.export.export_no} ({told_as}{replaced}), SHA-256 {made.export.digest}", soft_wrap=True
    )


@commands.command("list")
def list_exports(organisation: Organisation = None) -> None:
    """List the exports of an organisation, and check the chain of their seals."""
    from compuerta.services import exporting

    with the_store() as store:
        number = organisation_of(store, organisation)
        exports = exporting.kept(store, organisation_id=number)
        with store.transaction() as tx:
            answered = tx.exports.answered(number)
    digest = Column("SHA-256", overflow="fold")
    table = Table("number", "month", "what", "replaces", "vouchers", "taken, refused", digest)
    for each in exports:
        taken, refused = answered.get(each.export_no, (0, 0))
        table.add_row(
            str(each.export_no), f"{each.month:%Y-%m}", f"{each.part.value} {each.form.value}",
            str(each.replaces or ""), str(each.vouchers), f"{taken}, {refused}", each.digest,
        )  # fmt: skip
    Console().print(table)
    broken = exporting.broken_at(exports)
    if broken is not None:
        raise ChainBroken(broken)
    typer.echo(f"{len(exports)} exports, the chain of seals holds")


@commands.command()
def acknowledge(
    export: Number,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV")],
    organisation: Organisation = None,
) -> None:
    """Take back what the other books say: CSV with voucher_no, their_no, ok, note, booked_on."""
    from compuerta.apps import wiring
    from compuerta.services import acknowledging
    from compuerta.services.acknowledging import Acknowledgement

    if file.stat().st_size > ANSWERS_BYTES_MAX:
        raise FileUnwritable(file, f"larger than {ANSWERS_BYTES_MAX} bytes")
    try:
        answers = acknowledging.answers_in(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise FileUnwritable(file, "is not UTF-8") from error
    with the_store() as store:
        said = Acknowledgement(
            organisation_id=organisation_of(store, organisation), export_no=export, answers=answers
        )
        new = acknowledging.acknowledge(
            store, said, actor=actor_of(file.name), act_id=uuid4(), now=wiring.now()
        )
    typer.echo(f"{new} new answers of {len(answers)}")


class ChainBroken(Refused):
    """The chain of seals does not hold: an export was changed, or taken out."""

    def __init__(self, export_no: int) -> None:
        super().__init__(
            f"the chain of seals breaks at export {export_no}: somebody changed or removed a row"
        )
        self.export_no = export_no


def _progress(console: Console) -> Progress:
    # Where nobody watches, an empty line is all that would be left of it.
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def _give(file: bytes, out: Path | None) -> None:
    if out is None:
        typer.get_binary_stream("stdout").write(file)
        return
    try:
        out.write_bytes(file)
    except OSError as error:
        raise FileUnwritable(out, str(error.strerror)) from error


def organisation_of(store: "PostgresStore", given: int | None) -> int:
    """Return the organisation that is meant: the only one, where nobody says which."""
    if given is not None:
        return given
    found = store.query("select organisation_id from organisation order by 1 limit 2", {})
    if len(found) != 1:
        raise OrganisationUnclear(len(found))
    return int(found[0]["organisation_id"])


def actor_of(why: str) -> "Actor":
    """Return who types."""
    from compuerta.services.acting import Actor

    return Actor(who=getpass.getuser(), why=why, origin="command line")


@contextmanager
def the_store() -> Iterator["PostgresStore"]:
    """Open the database for one command."""
    from compuerta.adapters.postgres.store import PostgresStore
    from compuerta.apps import wiring

    store = PostgresStore(wiring.database_url(config.settings()))
    try:
        yield store
    finally:
        store.shut()

"""`compuerta export`: the books in the forms that other programs read."""

import typer

from compuerta.apps import clearing_cli

commands = typer.Typer(help="Hand the books to other programs.", no_args_is_help=True)
commands.command("camt053")(clearing_cli.camt053)

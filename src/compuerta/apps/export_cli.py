"""`compuerta export`: the books in the forms that other programs read."""

import typer

commands = typer.Typer(help="Hand the books to other programs.", no_args_is_help=True)

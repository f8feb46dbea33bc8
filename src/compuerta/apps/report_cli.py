"""`compuerta report`: what a day or a month came to, as files."""

import typer

from compuerta.apps import monthly_cli

commands = typer.Typer(help="Write reports and statements as files.", no_args_is_help=True)
commands.command("monthly")(monthly_cli.monthly)

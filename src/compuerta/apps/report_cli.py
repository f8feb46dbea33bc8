"""`compuerta report`: what a day or a month came to, as files."""

import typer

from compuerta.apps import daily_cli, monthly_cli

commands = typer.Typer(help="Write reports and statements as files.", no_args_is_help=True)
commands.command("daily")(daily_cli.daily)
commands.command("monthly")(monthly_cli.monthly)

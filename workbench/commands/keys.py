"""`monoscope keys`: the workbench's keys, as a file to start from."""

from typing import Annotated

import typer

from workbench.choices import home_of
from workbench.commands.common import AsJson, emit_json, group

keys_app = group("")


@keys_app.command()
def keys(
    ctx: typer.Context,
    default: Annotated[bool, typer.Option("--default", help="As they come, whatever keys.toml says.")] = False,
    as_json: AsJson = False,
) -> None:
    """The workbench's keys, as a TOML file to start from: change what you like, and keep it as keys.toml in the home.

    What is in your keys.toml counts already, and is checked.
    """
    from workbench.keymap import SCREENS
    from workbench.keys import as_rows, as_toml, file_of, read_keys, rebind

    own = None if default else read_keys(file_of(home_of(ctx)))
    screens = SCREENS if own is None else rebind(SCREENS, own)
    return emit_json(as_rows(screens)) if as_json else typer.echo(as_toml(screens))

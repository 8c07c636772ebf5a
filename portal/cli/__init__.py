"""The command line: what an operator does from a shell, one line of output for each thing. One file a group."""

import click
from flask import Flask


def init_app(app: Flask) -> None:
    """Adds the commands to `flask`."""
    from portal.cli import admin, credits, doctor, events, installation, keys, messages, restore, send, sender

    for group in (
        admin.admin,
        sender.sender,
        installation.installation,
        events.events,
        keys.keys,
        credits.credits,
        restore.restore,
    ):
        app.cli.add_command(_plain(group))
    for command in (doctor.doctor, messages.messages, send.send):
        app.cli.add_command(_plain(command))


def _plain(command: click.Command) -> click.Command:
    """The command, or every command of the group, so that what goes wrong is told in a sentence."""
    from portal.cli.answers import plainly

    if isinstance(command, click.Group):
        for each in command.commands.values():
            _plain(each)
    elif command.callback is not None:
        command.callback = plainly()(command.callback)
    return command

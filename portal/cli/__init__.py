"""The command line: what an operator does from a shell, one line of output for each thing. One file a group."""

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
        app.cli.add_command(group)
    for command in (doctor.doctor, messages.messages, send.send):
        app.cli.add_command(command)

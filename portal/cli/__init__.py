"""The command line: what an operator does from a shell, one line of output for each thing. One file a group."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Adds the commands to `flask`."""
    from portal.cli import admin, credits, events, keys, messages, restore, sender

    for group in (admin.admin, sender.sender, events.events, keys.keys, credits.credits, restore.restore):
        app.cli.add_command(group)
    app.cli.add_command(messages.messages)

"""The command line: what an operator does from a shell, one line of output for each thing. One file a group."""

from copy import copy

import click
from flask import Flask


def init_app(app: Flask) -> None:
    """Adds the commands to `flask`."""
    from portal.cli import (
        admin,
        alerts,
        contact,
        credits,
        doctor,
        events,
        installation,
        keys,
        media,
        messages,
        opt_outs,
        restore,
        send,
        sender,
        takeover,
        templates,
        texts,
    )
    from portal.cli import bulksms as _more_of_installation  # noqa: F401 - adds them to its group
    from portal.cli import credit_gifts as _gifts  # noqa: F401 - adds them to its group
    from portal.cli import credit_plans as _plans  # noqa: F401 - the same
    from portal.cli import line as _commands_of_sender  # noqa: F401 - adds them to its group
    from portal.cli import stand_ins as _more_of_sender  # noqa: F401 - the same
    from portal.cli import wallet_charges as _charges  # noqa: F401 - the same

    for group in (
        admin.admin,
        alerts.alerts,
        sender.sender,
        contact.contact,
        installation.installation,
        events.events,
        keys.keys,
        credits.credits,
        restore.restore,
        opt_outs.opt_outs,
        media.media,
        texts.texts,
    ):
        app.cli.add_command(_plain(group))
    for command in (doctor.doctor, messages.messages, send.send, takeover.bring_over, templates.templates):
        app.cli.add_command(_plain(command))


def _plain(command: click.Command, group: str = "") -> click.Command:
    """A copy of the command, or of the group with all its commands, that tells what goes wrong in a sentence, and
    leaves an entry in the audit log when it changes something.

    The command itself stays as it is: it is shared by all apps of the process.
    """
    from portal.cli.answers import plainly
    from portal.cli.audited import audited

    told = copy(command)
    if isinstance(told, click.Group):
        told.commands = {name: _plain(each, f"{told.name} ") for name, each in told.commands.items()}
    elif told.callback is not None:
        told.callback = plainly()(audited(f"{group}{told.name}", told.callback))
    return told

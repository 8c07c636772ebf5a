"""`flask sender`: the senders of a sub-account."""

import click
from flask.cli import AppGroup
from sqlalchemy import select

from portal.channels import registry
from portal.channels.capabilities import ListsSenderIds
from portal.cli.answers import highlevel_id, pairs, say, services
from portal.errors import InvalidInput
from portal.installations.lifecycle import ensure_location
from portal.messaging import first_sender, senders
from portal.models import Location, Sender

sender = AppGroup("sender", help="Senders of a sub-account.")


@sender.command("add")
@click.option("--location", "location_id", required=True, callback=highlevel_id, help="The HighLevel sub-account id.")
@click.option("--channel", required=True, help="The kind of sender: cast, simulator, …")
@click.option("--name", default="", help="How people call it.")
@click.option("--api-url", default="", help="The provider's address, when it is not the public one.")
@click.option("--pace", type=float, help="Messages a second.")
@click.option("--default", "is_default", is_flag=True, help="Use it where nothing else decides.")
@click.option("--no-check", is_flag=True, help="Do not ask the provider whether the credentials are good.")
@click.option("--set", "credentials", multiple=True, callback=pairs, metavar="KEY=VALUE", help="A credential.")
def add_sender(
    location_id: str,
    channel: str,
    name: str,
    api_url: str,
    pace: float | None,
    is_default: bool,
    no_check: bool,
    credentials: dict[str, str],
) -> None:
    """Adds a sender and prints its id and webhook address."""
    parts = services()
    credentials = first_sender.completed(parts.settings, channel, credentials)
    api_url = api_url or first_sender.address(parts.settings, channel)
    wanted = senders.NewSender(channel, name, credentials, api_url, pace, is_default, operator=True)
    if not no_check:
        senders.check(parts.http, wanted, parts.settings)
    with parts.database.write() as session:
        location = ensure_location(session, location_id)
        added = senders.add(session, parts.vault, location, wanted)
    say({"id": added.id, "webhook_url": senders.shown_webhook_url(parts.settings, added), "name": added.name})


@sender.command("list")
@click.option("--location", "location_id", help="The HighLevel sub-account id.")
def list_senders(location_id: str | None) -> None:
    """Prints every sender, one JSON object a line."""
    parts = services()
    with parts.database.read() as session:
        wanted = select(Sender, Location.ghl_id).join(Location).order_by(Sender.id)
        for row, ghl_id in session.execute(wanted.where(Location.ghl_id == location_id) if location_id else wanted):
            say(
                {
                    "id": row.id,
                    "location": ghl_id,
                    "channel": row.channel,
                    "name": row.name,
                    "state": row.state,
                    "line": row.line_state or None,
                    "number": row.line_address or None,
                    "sandbox": row.sandbox,
                    "default": row.is_default,
                    "webhook_url": senders.shown_webhook_url(parts.settings, row),
                }
            )


@sender.command("default")
@click.argument("sender_id", type=int)
def default_sender(sender_id: int) -> None:
    """Makes a sender its location's default and sends what waited for one."""
    count = services().database.patiently(lambda session: senders.make_default(session, sender_id))
    say({"id": sender_id, "tried_again": count})


@sender.command("pause")
@click.argument("sender_id", type=int)
@click.option("--reason", default="paused from the command line")
def pause_sender(sender_id: int, reason: str) -> None:
    """Stops a sender; what it would send is held."""
    with services().database.write() as session:
        senders.pause(session, sender_id, reason)
    say({"id": sender_id, "state": "paused"})


@sender.command("resume")
@click.argument("sender_id", type=int)
@click.option("--number", default="", help="The number that was linked to it instead of its own, to confirm that one.")
def resume_sender(sender_id: int, number: str) -> None:
    """Starts a sender again and sends what was held for it."""
    count = services().database.patiently(lambda session: senders.resume(session, sender_id, number))
    say({"id": sender_id, "state": "active", "tried_again": count})


@sender.command("set")
@click.argument("sender_id", type=int)
@click.option("--no-check", is_flag=True, help="Do not ask the provider whether the credentials are good.")
@click.option(
    "--set", "changes", multiple=True, required=True, callback=pairs, metavar="KEY=VALUE", help="A credential."
)
def set_credentials(sender_id: int, no_check: bool, changes: dict[str, str]) -> None:
    """Replaces credentials of a sender, asks the provider, and lets it try again at once."""
    parts = services()
    wanted = senders.with_changes(parts.database, parts.vault, sender_id, changes)
    if not no_check:
        senders.check(parts.http, wanted, parts.settings)
    with parts.database.write() as session:
        senders.repair(session, parts.vault, sender_id, wanted)
    say({"id": sender_id, "changed": sorted(changes)})


@sender.command("ids")
@click.argument("sender_id", type=int)
def list_sender_ids(sender_id: int) -> None:
    """Asks the provider which sender ids the account has, and prints one JSON object a line."""
    parts = services()
    wanted = senders.with_changes(parts.database, parts.vault, sender_id, {})
    channel = registry.get(wanted.channel)
    if not isinstance(channel, ListsSenderIds):
        raise InvalidInput(f"{channel.name} has no list of sender ids.")
    for each in channel.sender_ids(parts.http, parts.accounts.get(sender_id).account):
        say({"sender_id": each.name, "product": each.product, "label": each.label, "approved": each.approved})


@sender.command("remove")
@click.argument("sender_id", type=int)
def remove_sender(sender_id: int) -> None:
    """Removes a sender. Its messages stay; what waits for it goes out through another, or says why not."""
    services().database.patiently(lambda session: senders.remove(session, sender_id))
    say({"id": sender_id, "state": "removed"})


@sender.command("key")
@click.argument("sender_id", type=int)
@click.option("--uuid", required=True, help="The uuid that its channel had at courier.")
def set_key(sender_id: int, uuid: str) -> None:
    """Gives a sender's webhook the uuid of a channel of courier's, so that its provider calls on at /c/…."""
    parts = services()
    with parts.database.write() as session:
        senders.take_key(session, sender_id, uuid)
        session.flush()
        row = senders.get(session, sender_id)
        say({"id": sender_id, "webhook_url": senders.shown_webhook_url(parts.settings, row)})

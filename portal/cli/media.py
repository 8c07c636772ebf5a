"""`flask media`: the files of messages."""

from datetime import timedelta

import click
from flask.cli import AppGroup
from sqlalchemy import select

from portal import clock
from portal.cli.answers import highlevel_id, say, services
from portal.errors import NotFound
from portal.messaging import media_upkeep
from portal.messaging.media import path, public_address, title
from portal.models import Location, MediaFile, MediaState, Message

media = AppGroup("media", help="Files of messages.")


@media.command("list")
@click.option("--location", "location_id", callback=highlevel_id, help="The HighLevel sub-account id.")
@click.option("--state", type=click.Choice([each.value for each in MediaState]), help="Files of this state alone.")
@click.option("--limit", default=100, type=click.IntRange(1, 100_000))
def list_files(location_id: str | None, state: str | None, limit: int) -> None:
    """Prints files, the newest first."""
    parts = services()
    wanted = select(MediaFile, Message.uuid, Location.ghl_id)
    wanted = wanted.join(Message, Message.id == MediaFile.message_id).join(
        Location, Location.id == MediaFile.location_id
    )
    if location_id:
        wanted = wanted.where(Location.ghl_id == location_id)
    if state:
        wanted = wanted.where(MediaFile.state == state)
    with parts.database.read() as session:
        for row, message, location in session.execute(wanted.order_by(MediaFile.id.desc()).limit(limit)):
            shared = row.state == MediaState.KEPT and row.revoked_at is None
            say(
                {
                    "id": row.id,
                    "location": location,
                    "message": message,
                    "place": row.place,
                    "direction": row.direction,
                    "name": title(row),
                    "type": row.type,
                    "size": row.size,
                    "state": row.state,
                    "reason": row.reason,
                    "from": row.host,
                    "store": row.store,
                    "address": public_address(parts.settings.app_url, path(row)) if shared else None,
                    "created": row.created_at,
                    "kept": row.kept_at,
                    "revoked": row.revoked_at,
                    "removed": row.removed_at,
                }
            )


@media.command("revoke")
@click.argument("file_ids", type=int, nargs=-1, required=True)
def revoke_files(file_ids: tuple[int, ...]) -> None:
    """Ends the public addresses of files, at once. The files stay; HighLevel's own copies, if any, stay there too."""
    with services().database.write() as session:
        for file_id in file_ids:
            row = media_upkeep.revoke(session, file_id)
            say({"id": row.id, "revoked": row.revoked_at, "copy_in_highlevel": bool(row.ghl_url)})


@media.command("fetch")
@click.argument("file_id", type=int)
def fetch_file(file_id: int) -> None:
    """Has a file fetched again that could not be had."""
    with services().database.write() as session:
        row = media_upkeep.fetch_again(session, file_id)
        say({"id": row.id, "state": row.state})


@media.command("purge")
@click.argument("file_ids", type=int, nargs=-1)
@click.option("--older-than", "days", type=click.IntRange(0, 36_500), metavar="DAYS", help="All that are older.")
@click.option("--location", "location_id", callback=highlevel_id, help="With --older-than: of this sub-account alone.")
def purge_files(file_ids: tuple[int, ...], days: int | None, location_id: str | None) -> None:
    """Removes files from their store for good. Their rows stay and say so."""
    if not file_ids and days is None:
        raise click.UsageError("Name files, or --older-than DAYS.")
    if location_id and days is None:
        raise click.UsageError("--location goes with --older-than.")
    parts = services()
    with parts.database.write() as session:
        for file_id in file_ids:
            media_upkeep.remove(session, file_id)
    if days is not None:
        place = None
        if location_id:
            with parts.database.read() as session:
                place = session.scalar(select(Location.id).where(Location.ghl_id == location_id))
            if place is None:
                raise NotFound("There is no such sub-account.")
        before = clock.now() - timedelta(days=days)
        media_upkeep.mark_older(parts.database, before, media_upkeep.BY_HAND, place)
    say({"removed": media_upkeep.delete_removed(parts.database, parts.stores)})

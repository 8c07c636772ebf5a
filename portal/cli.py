"""The command line: what an operator does from a shell, one line of output for each thing."""

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cli_installation import installation
from portal.credits import ledger
from portal.errors import PortalError
from portal.installations.lifecycle import ensure_agency, ensure_location
from portal.messaging import replay, senders
from portal.models import Event, EventState, Grant, LedgerEntry, Location, Message, Part, Sender
from portal.services import Services

admin = AppGroup("admin", help="People who sign in to the portal.")
sender = AppGroup("sender", help="Senders of a sub-account.")
events = AppGroup("events", help="The journal of webhooks.")
keys = AppGroup("keys", help="Encryption keys.")
credits = AppGroup("credits", help="The ledger.")


def init_app(app: Flask) -> None:
    """Adds the commands to `flask`."""
    for group in (admin, sender, installation, events, keys, credits):
        app.cli.add_command(group)
    app.cli.add_command(messages)


def _services() -> Services:
    found: Services = current_app.extensions["portal"]
    return found


def _say(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


@contextmanager
def _plainly() -> Iterator[None]:
    """What a person did wrong is one sentence, not a traceback."""
    try:
        yield
    except PortalError as error:
        raise click.ClickException(error.message) from None


@admin.command("create")
@click.option("--email", required=True, help="The address to sign in with.")
@click.option("--agency", help="The HighLevel company id; without it the user is the operator of all agencies.")
def create_admin(email: str, agency: str | None) -> None:
    """Creates a user and prints a one-time password, to be changed at the first sign-in."""
    from portal.accounts.users import create_user

    password = secrets.token_urlsafe(12)
    try:
        with _services().database.write() as session:
            agency_id = None
            if agency:
                found = ensure_agency(session, agency)
                session.flush()
                agency_id = found.id
            user = create_user(session, email, password, agency_id)
            session.flush()
            _say({"id": user.id, "email": user.email, "agency": agency, "one_time_password": password})
    except PortalError as error:
        raise click.ClickException(error.message) from None


@sender.command("add")
@click.option("--location", "location_id", required=True, help="The HighLevel sub-account id.")
@click.option("--channel", required=True, help="The kind of sender: cast, simulator, …")
@click.option("--name", default="", help="How people call it.")
@click.option("--api-url", default="", help="The provider's address, when it is not the public one.")
@click.option("--pace", type=float, help="Messages a second.")
@click.option("--default", "is_default", is_flag=True, help="Use it where nothing else decides.")
@click.option("--no-check", is_flag=True, help="Do not ask the provider whether the credentials are good.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A credential.")
def add_sender(
    location_id: str,
    channel: str,
    name: str,
    api_url: str,
    pace: float | None,
    is_default: bool,
    no_check: bool,
    pairs: tuple[str, ...],
) -> None:
    """Adds a sender and prints its id and webhook address."""
    parts = _services()
    credentials = dict(pair.partition("=")[::2] for pair in pairs)
    wanted = senders.NewSender(channel, name, credentials, api_url, pace, is_default, operator=True)
    try:
        if not no_check:
            senders.check(parts.http, wanted)
        with parts.database.write() as session:
            location = ensure_location(session, location_id)
            added = senders.add(session, parts.vault, location, wanted)
            _say({"id": added.id, "webhook_url": senders.webhook_url(parts.settings, added), "name": added.name})
    except PortalError as error:
        raise click.ClickException(error.message) from None


@sender.command("list")
@click.option("--location", "location_id", help="The HighLevel sub-account id.")
def list_senders(location_id: str | None) -> None:
    """Prints every sender, one JSON object a line."""
    parts = _services()
    with parts.database.read() as session:
        wanted = select(Sender, Location.ghl_id).join(Location).order_by(Sender.id)
        for row, ghl_id in session.execute(wanted.where(Location.ghl_id == location_id) if location_id else wanted):
            _say(
                {
                    "id": row.id,
                    "location": ghl_id,
                    "channel": row.channel,
                    "name": row.name,
                    "state": row.state,
                    "default": row.is_default,
                    "webhook_url": senders.webhook_url(parts.settings, row),
                }
            )


@sender.command("default")
@click.argument("sender_id", type=int)
def default_sender(sender_id: int) -> None:
    """Makes a sender its location's default and sends what waited for one."""
    with _plainly(), _services().database.write() as session:
        _say({"id": sender_id, "released": senders.make_default(session, sender_id)})


@sender.command("pause")
@click.argument("sender_id", type=int)
@click.option("--reason", default="paused from the command line")
def pause_sender(sender_id: int, reason: str) -> None:
    """Stops a sender; what it would send is held."""
    with _plainly(), _services().database.write() as session:
        senders.pause(session, sender_id, reason)
        _say({"id": sender_id, "state": "paused"})


@sender.command("resume")
@click.argument("sender_id", type=int)
def resume_sender(sender_id: int) -> None:
    """Starts a sender again and sends what was held for it."""
    with _plainly(), _services().database.write() as session:
        _say({"id": sender_id, "state": "active", "released": senders.resume(session, sender_id)})


@sender.command("set")
@click.argument("sender_id", type=int)
@click.option("--no-check", is_flag=True, help="Do not ask the provider whether the credentials are good.")
@click.option("--set", "pairs", multiple=True, required=True, metavar="KEY=VALUE", help="A credential.")
def set_credentials(sender_id: int, no_check: bool, pairs: tuple[str, ...]) -> None:
    """Replaces credentials of a sender, asks the provider, and lets it try again at once."""
    parts = _services()
    changes = dict(pair.partition("=")[::2] for pair in pairs)
    with _plainly():
        wanted = senders.with_changes(parts.database, parts.vault, sender_id, changes)
        if not no_check:
            senders.check(parts.http, wanted)
        with parts.database.write() as session:
            senders.repair(session, parts.vault, sender_id, wanted)
            _say({"id": sender_id, "changed": sorted(changes)})


@sender.command("remove")
@click.argument("sender_id", type=int)
def remove_sender(sender_id: int) -> None:
    """Removes a sender. Its messages stay; what waits for it goes out through another, or says why not."""
    with _plainly(), _services().database.write() as session:
        senders.remove(session, sender_id)
        _say({"id": sender_id, "state": "removed"})


@click.command("messages")
@click.option("--location", "location_id", help="The HighLevel sub-account id.")
def messages(location_id: str | None) -> None:
    """Prints every message, one JSON object a line, in the order of receipt."""
    with _services().database.read() as session:
        for line in _message_lines(session, location_id):
            _say(line)


def _message_lines(session: Session, location_id: str | None) -> Iterator[dict[str, Any]]:
    wanted = select(Message, Location.ghl_id).join(Location, Location.id == Message.location_id)
    if location_id:
        wanted = wanted.where(Location.ghl_id == location_id)
    last = 0
    while rows := session.execute(wanted.where(Message.id > last).order_by(Message.id).limit(500)).all():
        last = rows[-1][0].id
        ids = [message.id for message, _ in rows]
        parts: dict[int, list[Part]] = {}
        for part in session.scalars(select(Part).where(Part.message_id.in_(ids)).order_by(Part.number)):
            parts.setdefault(part.message_id, []).append(part)
        spent = _spent(session, ids)
        for message, ghl_id in rows:
            yield _line(message, ghl_id, parts.get(message.id, []), spent.get(message.id, 0))
        session.expunge_all()


def _spent(session: Session, ids: list[int]) -> dict[int, int]:
    spent: dict[int, int] = {}
    for entry in session.scalars(select(LedgerEntry).where(LedgerEntry.message_id.in_(ids))):
        if entry.message_id is not None:
            spent[entry.message_id] = spent.get(entry.message_id, 0) + entry.spent + entry.held
    return spent


def _line(message: Message, ghl_id: str, parts: list[Part], credits: int) -> dict[str, Any]:
    return {
        "id": message.uuid,
        "location": ghl_id,
        "conversation": message.conversation_id,
        "ghl_message_id": message.ghl_message_id,
        "direction": message.direction,
        "sender": message.sender_id,
        "sender_reason": message.sender_reason,
        "status": message.status,
        "ghl_status": message.pushed_status,
        "reason": message.reason,
        "external_ids": [part.external_id for part in parts if part.external_id]
        or ([message.external_id] if message.external_id else []),
        "attempts": sum(part.attempt for part in parts),
        "credits": credits,
        "timestamps": {
            "created": message.created_at,
            "status": message.status_at,
            "accepted": next((part.accepted_at for part in parts if part.accepted_at), None),
            "told_highlevel": message.pushed_at,
        },
    }


@events.command("replay")
@click.argument("event_id", type=int)
def replay_event(event_id: int) -> None:
    """Applies a parked event again."""
    try:
        with _services().database.write() as session:
            event = replay.replay(session, event_id)
    except PortalError as error:
        raise click.ClickException(error.message) from None
    _say({"id": event.id, "state": event.state})


@events.command("list")
@click.option("--state", default=EventState.PARKED.value)
@click.option("--limit", default=100)
def list_events(state: str, limit: int) -> None:
    """Prints events of one state, the newest first."""
    with _services().database.read() as session:
        wanted = select(Event).where(Event.state == state).order_by(Event.id.desc()).limit(limit)
        for event in session.scalars(wanted):
            _say({"id": event.id, "source": event.source, "received": event.received_at, "note": event.note})


@keys.command("rotate")
def rotate_keys() -> None:
    """Seals every stored secret with the first of ENCRYPTION_KEYS."""
    parts = _services()
    count = 0
    with parts.database.write() as session:
        for row in session.scalars(select(Sender).with_for_update()):
            row.credentials = parts.vault.reseal(row.credentials)
            count += 1
        for grant in session.scalars(select(Grant).with_for_update()):
            for field in ("access_token", "refresh_token"):
                if getattr(grant, field):
                    setattr(grant, field, parts.vault.reseal(getattr(grant, field)))
                    count += 1
    _say({"resealed": count})


@credits.command("prove")
def prove_credits() -> None:
    """Adds every wallet's entries up again; ends with 1 when one disagrees."""
    with _services().database.read() as session:
        looked_at, wrong = ledger.prove(session)
    for proof in wrong:
        _say({"wallet": proof.wallet_id, "columns": proof.wallet, "entries": proof.entries})
    _say({"wallets": looked_at, "wrong": len(wrong)})
    sys.exit(1 if wrong else 0)

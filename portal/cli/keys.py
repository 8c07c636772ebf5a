"""`flask keys`: keys to the API, and encryption keys."""

from datetime import timedelta
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from portal.accounts import api_keys
from portal.accounts.api_keys import NewKey, Scope
from portal.cli.answers import say, services
from portal.errors import NotFound
from portal.models import Agency, ApiKey, Grant, Location, MediaFile, Sender, Subscription, User

AUTHOR = "the command line"

keys = AppGroup("keys", help="Keys to the API, and encryption keys.")


@keys.command("create")
@click.option("--name", required=True, help="What the key is for.")
@click.option("--agency", "company_id", default="", help="HighLevel's company id: all of its sub-accounts.")
@click.option("--location", "locations", multiple=True, metavar="ID", help="A sub-account; may be given several times.")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice([each.value for each in Scope]))
@click.option("--test", is_flag=True, help="A test key: what it sends is simulated.")
@click.option("--days", type=click.IntRange(1, 3650), help="It ends after so many days; without it, when revoked.")
@click.option("--per-minute", type=int, default=api_keys.PER_MINUTE, show_default=True, help="Requests a minute.")
def create_key(name: str, company_id: str, scopes: tuple[str, ...], days: int | None, **more: Any) -> None:
    """Makes a key and prints it: once, for nobody can show it again."""
    parts = services()
    lasts = timedelta(days=days) if days else None
    wanted = NewKey(name, scopes, company_id, more["locations"], more["test"], lasts, more["per_minute"])
    with parts.database.write() as session:
        key, token = api_keys.create(session, parts.settings.secret_key, wanted, AUTHOR)
    say({"id": key.uuid, "key": token, "name": key.name, "scopes": key.scopes, "test": key.test})


@keys.command("list")
@click.option("--agency", "company_id", help="HighLevel's company id.")
@click.option("--location", "location_id", help="The HighLevel sub-account id: the keys that reach it.")
def list_keys(company_id: str | None, location_id: str | None) -> None:
    """Prints the keys, one JSON object a line, the newest first."""
    with services().database.read() as session:
        agency = session.scalar(select(Agency.id).where(Agency.company_id == company_id)) if company_id else None
        place = session.scalar(select(Location.id).where(Location.ghl_id == location_id)) if location_id else None
        if (company_id and agency is None) or (location_id and place is None):
            raise NotFound("There is no such agency or sub-account.")
        for key in api_keys.listed(session, agency, place):
            company = session.get_one(Agency, key.agency_id).company_id if key.agency_id is not None else None
            say(_line(key, company, [each.ghl_id for each in api_keys.places(session, key)]))


def _line(key: ApiKey, company_id: str | None, locations: list[str]) -> dict[str, Any]:
    return {
        "id": key.uuid,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "test": key.test,
        "agency": company_id,
        "locations": locations or "all",
        "created": key.created_at,
        "by": key.created_by,
        "expires": key.expires_at,
        "last_used": key.last_used_at,
        "revoked": key.revoked_at,
    }


@keys.command("revoke")
@click.argument("key_id")
def revoke_key(key_id: str) -> None:
    """Ends a key, named by its id, from the next request on."""
    with services().database.write() as session:
        key = session.scalar(select(ApiKey).where(ApiKey.uuid == key_id))
        if key is None:
            raise NotFound(f"There is no key {key_id}.")
        done = api_keys.revoke(session, key, AUTHOR)
    say({"id": key_id, "revoked": done})


@keys.command("rotate")
def rotate_keys() -> None:
    """Seals every stored secret with the first of ENCRYPTION_KEYS."""
    parts = services()
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
        for user in session.scalars(select(User).where(User.totp_secret.is_not(None)).with_for_update()):
            user.totp_secret = parts.vault.reseal(user.totp_secret or "")
            count += 1
        for file in session.scalars(select(MediaFile).where(MediaFile.source != "").with_for_update()):
            file.source = parts.vault.reseal(file.source)
            count += 1
        for subscription in session.scalars(select(Subscription).with_for_update()):
            subscription.address = parts.vault.reseal(subscription.address)
            count += 1
    say({"resealed": count})

"""`flask sender link | line | restart | sign-out`: the line behind a sender, and the phone that is linked to it."""

import base64
import binascii
from typing import Any, BinaryIO

import click

from portal.channels.base import ChannelError
from portal.cli.answers import say, services
from portal.cli.sender import sender
from portal.models import Sender
from portal.services import Services


@sender.command("line")
@click.argument("sender_id", type=int)
def show_line(sender_id: int) -> None:
    """Asks the provider how the line of a sender is, and prints it."""
    parts = services()
    failure = ""
    try:
        parts.linking.look(sender_id)
    except ChannelError as error:
        failure = error.message
    say(_line(parts, sender_id) | ({"failure": failure} if failure else {}))


@sender.command("link")
@click.argument("sender_id", type=int)
@click.option("--qr", "file", type=click.File("wb", lazy=True), help="Writes the code to scan to this file, as a PNG.")
@click.option("--phone", default="", metavar="NUMBER", help="Prints the code to type on the phone with this number.")
def link_phone(sender_id: int, file: BinaryIO | None, phone: str) -> None:
    """Links a phone to a sender: prints how the line is, and gives the code for the phone."""
    parts = services()
    if phone:
        say({"id": sender_id, "pairing_code": parts.linking.pairing_code(sender_id, phone)})
        return
    found = parts.linking.code(sender_id)
    if found.image and file is not None:
        file.write(_png(found.image))
    waits = "" if found.linked or found.image else found.detail
    shown = {"linked": found.linked, "qr": file.name if found.image and file is not None else None, "detail": waits}
    say(_line(parts, sender_id) | shown)


@sender.command("sign-out")
@click.argument("sender_id", type=int)
def sign_out(sender_id: int) -> None:
    """Unlinks the phone of a sender; what it would send is held."""
    services().linking.sign_out(sender_id)
    say({"id": sender_id, "signed_out": True})


@sender.command("restart")
@click.argument("sender_id", type=int)
def restart(sender_id: int) -> None:
    """Has the provider start the line of a sender anew."""
    services().linking.restart(sender_id)
    say({"id": sender_id, "restarted": True})


def _line(parts: Services, sender_id: int) -> dict[str, Any]:
    with parts.database.read() as session:
        row = session.get_one(Sender, sender_id)
    return {
        "id": row.id,
        "name": row.name,
        "line": row.line_state or None,
        "code": row.line_code,
        "detail": row.line_detail,
        "number": row.line_address or None,
        "other_number": row.line_other_address or None,
        "linked_since": row.line_since,
        "asked_at": row.line_at,
    }


def _png(image: str) -> bytes:
    try:
        return base64.b64decode(image, validate=True)
    except binascii.Error:
        raise ChannelError("The provider gave no code that could be shown: try again in a moment.") from None

"""What people do at a line: customers write to it, its owner writes on the phone, scans the code, signs out."""

from typing import TYPE_CHECKING

from portal.sandbox.green_api import notifications
from portal.sandbox.green_api.instances import Instance, wid
from portal.sandbox.green_api.notifications import FILES
from portal.sandbox.green_api.provider import SWITCHES
from portal.sandbox.journeys import Journey
from portal.sandbox.world import DEMO_PEOPLE

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

OWN = ("edit", "delete")
REFERRING = ("reply", "reaction", "edit", "delete", "tap")
WORDS = {"image": "a picture", "location": "a place", "delete": "a deletion", "reaction": "a reaction"}


def write(
    sandbox: "Sandbox",
    instance: Instance,
    chat: str,
    *,
    kind: str = "text",
    text: str = "",
    by: str = "customer",
    name: str = "",
    about: str = "",
    member: str = "",
) -> str:
    """A message of a kind (`notifications.KINDS`), by the `customer` or on the `phone`; returns its id.

    `chat` is a phone (E.164) or a chat id. `about` is the id of the message it refers to, the chat's newest when left
    out (its own author's, for a correction or deletion). In a group `member` (E.164) writes. Raises `ValueError` for
    what makes no sense.
    """
    if instance.state == "notAuthorized":
        raise ValueError("No phone is linked to the line: scan its code first.")
    chat = chat if "@" in chat else wid(chat)
    known = instance.last(chat, of=by if kind in OWN else "")
    if about and about != known.get("idMessage"):
        known = {"idMessage": about, "sender": chat}
    if kind in REFERRING and not known:
        raise ValueError("There is no message in this chat that it could refer to.")
    url = f"{sandbox.url}/green-media/{sandbox.ids.new('media')}.{FILES[kind][2]}" if kind in FILES else ""
    data = notifications.said(kind, text, url=url, about=known if kind in REFERRING else None)
    if by == "phone":
        return sandbox.green.typed(instance, chat, name, data, text).id
    if by != "customer":
        raise ValueError("by must be customer or phone")
    author = wid(member or DEMO_PEOPLE[0][0][1]) if chat.endswith("@g.us") else chat
    shown = text or f"({WORDS.get(kind, kind)})"

    def begun(message_id: str) -> None:
        _set_out(sandbox, instance, message_id, chat, shown)

    return sandbox.green.receive(instance, chat, author, name, data, text, SWITCHES.get(kind, ""), begun).id


def scan(sandbox: "Sandbox", instance: Instance, number: str = "") -> None:
    """The phone scans the code, with another number when one is given. Raises `ValueError` when there is no code."""
    if instance.state != "notAuthorized":
        raise ValueError("A phone is linked already.")
    instance.number = number or instance.number
    instance.settings["wid"] = wid(instance.number)
    sandbox.green.turn(instance, "authorized")


def line_of(sandbox: "Sandbox", location_id: str) -> Instance | None:
    """The location's line, the first when there are several."""
    found = (each for each in sandbox.green.instances.values() if each.location_id == location_id)
    return next(found, None)


def _set_out(sandbox: "Sandbox", instance: Instance, message_id: str, chat: str, text: str) -> None:
    phone = f"+{chat.split('@', 1)[0]}"
    contact = sandbox.ghl.directory.find(instance.location_id, phone)
    contact_id = contact.id if contact is not None else ""
    journey = Journey(message_id, "inbound", instance.location_id, contact_id, phone, text, sandbox.clock())
    sandbox.journeys.begin(journey)
    sandbox.journeys.remember(f"phone:{message_id}", message_id)
    sandbox.journeys.step(message_id, "phone", "WhatsApp brings it to the line; GREEN-API posts it to the portal")

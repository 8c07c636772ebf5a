"""The GREEN-API adapter's table `Instance` (MySQL, Prisma): `userId` is the sub-account's id in HighLevel.

`stateInstance` and `settings` are not looked at: what a line is, GREEN-API is asked, and the webhook is set anew.
"""

from collections.abc import Iterator

from portal.takeover.exports import Line, Unusable
from portal.takeover.wishes import Given, Left, SenderWish, Wish

CHANNEL = "green_api"


def wishes(line: Line, given: Given) -> Iterator[Wish | Left]:
    """Its sender. Raises `Unusable`."""
    instance, token = line.text("idInstance", "instanceId"), line.text("apiTokenInstance", "apiToken")
    if not instance or not token:
        raise Unusable("An instance has an idInstance and an apiTokenInstance.")
    known = {"id_instance": instance, "api_token": token, "media_url": line.text("mediaUrl")}
    name = line.text("name") or f"WhatsApp {instance}"
    new = given.sender(CHANNEL, name, {key: value for key, value in known.items() if value}, line.text("apiUrl"))
    yield SenderWish(line.place(given.location, "location", "locationId", "userId"), new)

"""Messages with one button that asks something of the customer: a Flow to fill in, and where they are."""

from collections.abc import Mapping
from typing import Any

from portal.channels.base import Outgoing
from portal.channels.whatsapp_cloud import fields
from portal.channels.whatsapp_cloud.interactive import Details, Typed, interactive
from portal.channels.whatsapp_cloud.unfit import at_most, unfit

# The only one there is (Meta, "Sending a Flow").
VERSION = "3"
# Meta's own default: nobody here tells one filling-in from another.
NO_TOKEN = "unused"


def flow(part: Outgoing, said: Details) -> Typed:
    """The answers come back as a FORM. Without a screen the Flow's own endpoint is asked for the first one."""
    name, button = str(said.get("flow") or ""), str(said.get("button") or "").strip()
    if not name or not button:
        raise unfit("A form needs its Flow, and a word on the button that opens it.", "flow")
    at_most(button, fields.LONGEST_BUTTON, "The word on the button")
    token = str(said.get("token") or NO_TOKEN)
    at_most(token, fields.LONGEST_FLOW_TOKEN, "The form's token")
    parameters: dict[str, Any] = {
        "flow_message_version": VERSION,
        "flow_name" if said.get("named") else "flow_id": name,
        "flow_cta": button,
        "flow_token": token,
        **_begin(said),
        **({"mode": "draft"} if said.get("draft") else {}),
    }
    return interactive("flow", part, said, {"name": "flow", "parameters": parameters})


def _begin(said: Details) -> dict[str, Any]:
    screen, data = str(said.get("screen") or ""), said.get("data")
    if not screen:
        return {"flow_action": "data_exchange"}
    # An empty object is refused, one that is left out is not.
    filled = {"data": dict(data)} if isinstance(data, Mapping) and data else {}
    return {"flow_action": "navigate", "flow_action_payload": {"screen": screen, **filled}}


def location_request(part: Outgoing, _said: Details) -> Typed:
    """What the customer sends comes back as a LOCATION. There is nothing above and below its text."""
    return interactive("location_request_message", part, {}, {"name": "send_location"})

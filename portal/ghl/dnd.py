"""HighLevel's "do not disturb": one setting for each of its channels, and one for all of them at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from portal.ghl.fields import mapping, text


class DndChannel(StrEnum):
    """The channels of HighLevel's settings that a provider of ours may serve."""

    SMS = "SMS"
    WHATSAPP = "WhatsApp"


# `permanent` is set by HighLevel itself, for example when a carrier reports an opt-out.
ON = frozenset(("active", "permanent"))
OFF = "inactive"


@dataclass(frozen=True, slots=True)
class Dnd:
    """What an event or a contact says. `channels` holds what it names; `everything` the switch for all, None unsaid."""

    channels: Mapping[DndChannel, bool] = field(default_factory=dict)
    everything: bool | None = None


def read(said: Mapping[str, Any]) -> Dnd:
    """The settings of a contact as HighLevel writes it. A state nobody has described yet counts as not named."""
    settings = mapping(said.get("dndSettings"))
    channels = {}
    for channel in DndChannel:
        status = text(mapping(settings.get(channel.value)).get("status")).lower()
        if status in ON or status == OFF:
            channels[channel] = status in ON
    everything = said.get("dnd")
    return Dnd(channels, everything if isinstance(everything, bool) else None)


def written(channel: DndChannel, on: bool, message: str) -> dict[str, Any]:
    """The body that sets one channel and names nothing else: what is not named stays as it is."""
    return {"dndSettings": {channel.value: {"status": "active" if on else OFF, "message": message[:200]}}}

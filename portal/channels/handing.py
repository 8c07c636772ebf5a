"""Files that a provider takes before the message that names them: handing one over sends nothing to anybody."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from portal.channels.base import Account, Channel
from portal.channels.content import File
from portal.channels.uploads import inside
from portal.http import HttpClient


@runtime_checkable
class TakesUploads(Protocol):
    """A message names its file by an address, or by the provider's own id of a copy that it was given before."""

    not_fetched: frozenset[str]
    """The codes of a refusal or a failure that mean: the provider could not fetch the file from its address."""

    def hand_over(self, http: HttpClient, account: Account, file: File, content: Path) -> str:
        """Gives the provider a copy of the file; its id there. May be repeated. Raises `ChannelError`."""
        ...


def wants_copy(channel: Channel, url: str, last_code: str) -> bool:
    """Must the provider be given a copy, because it cannot fetch the address, or could not the last time?"""
    return isinstance(channel, TakesUploads) and (last_code in channel.not_fetched or inside(url))

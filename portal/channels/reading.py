"""What depends on a sender's own settings, where a person has described the provider: how it is read, what it tells."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from portal.channels.base import Account, Channel, ChannelEvent, WebhookRequest


@runtime_checkable
class ReadsBySettings(Protocol):
    """What a request says depends on the sender; `Channel.parse` reads it by the usual names."""

    def parse_for(self, account: Account, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """Everything the request says. Raises `ChannelError` when it cannot be read."""
        ...


@runtime_checkable
class AskedBySettings(Protocol):
    """Whether `status` is worth asking depends on the sender."""

    def can_ask(self, credentials: Mapping[str, str]) -> bool:
        """Is it, with these settings?"""
        ...


def polls(channel: Channel, credentials: Mapping[str, str]) -> bool:
    """Is the status of a message of this sender asked for?"""
    return channel.polls and (not isinstance(channel, AskedBySettings) or channel.can_ask(credentials))


def events(channel: Channel, request: WebhookRequest, account: Callable[[], Account]) -> Sequence[ChannelEvent]:
    """Everything a request says. `account` is asked only where it is needed: opening its seals is slow."""
    return channel.parse_for(account(), request) if isinstance(channel, ReadsBySettings) else channel.parse(request)

"""Channels whose webhooks can be read only with the sender's own settings: field names that a person has chosen."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from portal.channels.base import Account, Channel, ChannelEvent, WebhookRequest


@runtime_checkable
class ReadsBySettings(Protocol):
    """What a request says depends on the sender; `Channel.parse` reads it by the usual names."""

    def parse_for(self, account: Account, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """Everything the request says. Raises `ChannelError` when it cannot be read."""
        ...


def events(channel: Channel, request: WebhookRequest, account: Callable[[], Account]) -> Sequence[ChannelEvent]:
    """Everything a request says. `account` is asked only where it is needed: opening its seals is slow."""
    return channel.parse_for(account(), request) if isinstance(channel, ReadsBySettings) else channel.parse(request)

"""Credentials that a sender may be set up without, because the provider itself can tell them."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from portal.channels.base import Account
from portal.http import HttpClient


@runtime_checkable
class FindsCredentials(Protocol):
    """Some of a sender's fields can be asked for."""

    def lacks(self, credentials: Mapping[str, str]) -> bool:
        """Is there anything to ask for?"""
        ...

    def find(self, http: HttpClient, account: Account) -> Mapping[str, str]:
        """What was left out and could be found; empty where the provider does not tell. Raises `ChannelError`."""
        ...

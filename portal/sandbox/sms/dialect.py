"""What a stand-in SMS provider adds to the frame: its own HTTP, in and out."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from flask import Blueprint

from portal.sandbox.sms.messages import Hook, Sent, Written


class Dialect(Protocol):
    """One provider. Its blueprint, named as `kind`, is served under `/<kind>`; its view that sends is named `send`.

    `credentials` are those of a sender that the stand-in knows (`flask sender add --set`), in which `{url}` stands for
    its own address; `tries` is how often a
    receipt or text that is not answered 2xx is posted. What the provider cannot do: `reports` False, it never calls
    back with receipts; `delivers` False, its last good word is "sent"; `names_calls` False, its receipts do not give
    our own key of a call back; `hears` False, customers cannot write to it.
    """

    kind: str
    title: str
    blueprint: Blueprint
    credentials: Mapping[str, str]
    tries: int
    reports: bool
    delivers: bool
    names_calls: bool
    hears: bool

    def refusal(self, status: int) -> tuple[str, str]:
        """The body and the content type of an error of its own with this HTTP status, for the fault panel."""
        ...

    def receipt(self, sent: Sent, word: str) -> Sequence[Hook]:
        """The calls that tell the portal this word on a message (`sent`, or an outcome), to `sent.order.callback`."""
        ...

    def inbound(self, written: Written) -> Sequence[Hook]:
        """The calls that tell the portal what a customer has written, to `written.url`."""
        ...

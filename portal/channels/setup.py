"""What a sender is set up with: the fields of its credentials, how a person finds them, what a look at them found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

# How `Probe.field` and the forms name the API address, which is no credential.
API_URL = "api_url"


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One field of a sender's credentials, as the form and `--set` name it.

    `choices`, when there are any, are the values it may have; the first stands for a field that is left out.
    `pattern`, when there is one, must match the whole value; `help` then says what is wanted.
    """

    name: str
    label: str
    secret: bool = False
    required: bool = True
    help: str = ""
    choices: tuple[str, ...] = ()
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a look at the provider's account found, for the form that adds a sender.

    `field` is the name of the one that is wrong (or `API_URL`), "" where the answer does not tell.
    """

    ok: bool
    detail: str
    facts: Mapping[str, str] = field(default_factory=dict)
    field: str = ""


@dataclass(frozen=True, slots=True)
class Guide:
    """What the form that adds a sender says beyond its fields, in plain sentences.

    `summary` is for whoever chooses a channel, `steps` are done at the provider before the form, `after` there once the
    sender has its webhook address. `shown` are the optional fields that most people need; the others are folded away.
    `lines` are fields of several lines. `address` is what the API address is for where most people need it, and it is
    folded away without; `needs_address`: nothing works without one.
    """

    summary: str = ""
    steps: tuple[str, ...] = ()
    after: str = ""
    shown: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    address: str = ""
    needs_address: bool = False


@runtime_checkable
class Guided(Protocol):
    """A channel with a guide of its own."""

    guide: Guide


def guide_of(channel: object) -> Guide:
    """The channel's guide, an empty one where it has none."""
    return channel.guide if isinstance(channel, Guided) else Guide()


def blamed(status: int, secret: str) -> str:
    """Which field an HTTP status speaks against: the one that proves who calls, or the address."""
    return {401: secret, 403: secret, 404: API_URL}.get(status, "")

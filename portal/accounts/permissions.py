"""What a person may do on the pages, and which role allows it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from portal.models.people import Role as Role


class Permission(StrEnum):
    """What an address asks for."""

    VIEW = "view"  # read what is in one's scope
    REPLY = "reply"  # write to customers, send again, cancel, decide what became of a message
    MANAGE = "manage"  # senders, routing, opt-outs, settings, repairs
    CREDITS = "credits"  # grant and correct credits, set prices
    PEOPLE = "people"  # users and API keys
    OPERATE = "operate"  # what concerns the whole portal


_LOOK = frozenset({Permission.VIEW})
_TALK = _LOOK | {Permission.REPLY}
_MANAGE = _TALK | {Permission.MANAGE}
EVERYTHING = frozenset(Permission)

PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.OWNER: EVERYTHING - {Permission.OPERATE},
        Role.ADMIN: _MANAGE | {Permission.CREDITS, Permission.PEOPLE},
        Role.AGENT: _TALK,
        Role.VIEWER: _LOOK,
        Role.CLIENT: _LOOK,
    }
)

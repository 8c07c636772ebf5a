"""Who looks at a page, whatever let them in: a sign-in to the portal, or HighLevel's word inside its custom page."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import g, has_request_context, request

from portal.accounts.permissions import EVERYTHING, PERMISSIONS, Permission
from portal.errors import Forbidden
from portal.models import User

if TYPE_CHECKING:  # the pages import this file
    from portal.web.pages.queries.scope import Scope

NOT_ALLOWED = "You may look at this, but not do it: ask somebody who manages this account."
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Viewer:
    """`name` is how histories name the person, `id` how the log does. `location_id` is the custom page's one location:
    None where the pages are about many."""

    scope: "Scope"
    name: str
    id: str
    permissions: frozenset[Permission]
    location_id: int | None = None

    @classmethod
    def of(cls, user: User) -> "Viewer":
        """Somebody who signed in to the portal: the operator, or one of an agency's people."""
        from portal.web.pages.queries.scope import Scope

        permissions = EVERYTHING if user.agency_id is None else PERMISSIONS[user.role]
        scope = Scope(user.agency_id, None if user.agency_id is None else user.location_ids)
        return cls(scope, user.email[:LONGEST_NAME], str(user.id), permissions)

    @property
    def address(self) -> str:
        """Where this request came from; "" outside of one."""
        return (request.remote_addr or "") if has_request_context() else ""

    def may(self, permission: str) -> bool:
        """Is it allowed?"""
        return permission in self.permissions


def viewer() -> Viewer:
    """Of this request; the blueprint's guard has found out who it is. Raises `AttributeError` where none has."""
    found: Viewer = g.viewer
    return found


def demand(permission: Permission) -> None:
    """Raises `Forbidden` when whoever asks may not."""
    if not viewer().may(permission):
        raise Forbidden(NOT_ALLOWED)

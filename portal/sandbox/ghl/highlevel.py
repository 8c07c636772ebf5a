"""The stand-in GHL as a whole: grants, contacts, conversations, rate limit, and how long it says no at first."""

from collections.abc import Callable

from flask import Blueprint

from portal.sandbox.ghl import billing, contacts, conversations, inbound, locations, oauth, outbound, uploads
from portal.sandbox.ghl.access import blueprint
from portal.sandbox.ghl.billing import Till
from portal.sandbox.ghl.directory import Directory
from portal.sandbox.ghl.grants import Grants
from portal.sandbox.ghl.limits import RateLimit
from portal.sandbox.ghl.mailbox import Mailbox
from portal.sandbox.ghl.uploads import Uploads
from portal.sandbox.signing import SigningKey
from portal.sandbox.world import Ids, World, demo_contacts

# Importing a module of routes adds them to the blueprint.
ROUTES = (billing, contacts, conversations, inbound, locations, oauth, outbound, uploads)


class HighLevel:
    """The stand-in's state. For `early_403_seconds` after its delivery a message takes no status (live 5-10 s)."""

    def __init__(self, key: SigningKey, world: World, ids: Ids, clock: Callable[[], float], keep: int) -> None:
        self.world = world
        self.grants = Grants(key, world, ids, clock)
        self.limit = RateLimit(clock)
        self.directory = Directory(ids, clock, keep, demo_contacts())
        self.mailbox = Mailbox(ids, clock, keep)
        self.uploads = Uploads(ids)
        self.till: Till = Till(ids, clock)
        self.early_403_seconds: float = 0.0

    def uninstall(self, location_id: str) -> None:
        """The app leaves the location: its tokens are dead at once."""
        location = self.world.locations.get(location_id)
        if location is not None:
            location.installed = False
        self.grants.revoke(location_id)

    def uninstall_company(self, company_id: str) -> None:
        """The app leaves the agency and every location of it."""
        for location in self.world.of_company(company_id):
            location.installed = False
        self.grants.revoke(company_id)


def api() -> Blueprint:
    """The routes of HighLevel's API."""
    return blueprint

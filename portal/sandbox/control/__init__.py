"""The sandbox by JSON, for the portal's demo, for tests in another process and for the curious."""

from portal.sandbox.control import cloud, lines, setting, sms, traffic
from portal.sandbox.control.shown import blueprint

# Importing a module of routes adds them to the blueprint.
ROUTES = (cloud, lines, setting, sms, traffic)

__all__ = ["blueprint"]

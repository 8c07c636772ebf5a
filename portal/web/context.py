"""The process's services, for views."""

from flask import current_app

from portal.services import Services


def services() -> Services:
    """The services of the running application."""
    found: Services = current_app.extensions["portal"]
    return found

"""What every command shares: the portal's parts, one JSON object a line, and faults as one sentence."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from flask import current_app

from portal.errors import PortalError
from portal.services import Services


def services() -> Services:
    """The portal's parts."""
    found: Services = current_app.extensions["portal"]
    return found


def say(value: dict[str, Any]) -> None:
    """Prints one JSON object on a line."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


@contextmanager
def plainly() -> Iterator[None]:
    """What a person did wrong is one sentence, not a traceback."""
    try:
        yield
    except PortalError as error:
        raise click.ClickException(error.message) from None

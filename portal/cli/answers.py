"""What every command shares: the portal's parts, one JSON object a line, and faults as one sentence."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from flask import current_app
from sqlalchemy.exc import DataError, SQLAlchemyError

from portal.database import is_away
from portal.errors import PortalError
from portal.ghl.fields import identifier
from portal.services import Services

# PostgreSQL's and SQLite's words for a table that is not there.
_NO_TABLE = ("no such table", "UndefinedTable")


def services() -> Services:
    """The portal's parts."""
    found: Services = current_app.extensions["portal"]
    return found


def say(value: dict[str, Any]) -> None:
    """Prints one JSON object on a line."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def highlevel_id(_context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """For options that take an id of HighLevel's: letters and digits, as its addresses show them."""
    if value is not None and not identifier(value):
        raise click.BadParameter("this is no id of HighLevel's.", param=option)
    return value


def pairs(_context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """For options that take KEY=VALUE. What is wrong is not repeated: it may be a secret."""
    if not all(value.partition("=")[0].strip() and "=" in value for value in values):
        raise click.BadParameter("it takes KEY=VALUE.", param=option)
    return {name.strip(): value for name, _, value in (each.partition("=") for each in values)}


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


@contextmanager
def plainly() -> Iterator[None]:
    """What a person did wrong, or the database, is one sentence, not a traceback."""
    try:
        yield
    except PortalError as error:
        raise click.ClickException(error.message) from None
    except (DataError, OverflowError, UnicodeError):
        told = "A number or a text is larger than any that is stored, or holds a character that cannot be."
        raise click.ClickException(told) from None
    except (SQLAlchemyError, TimeoutError) as error:
        told = _of_database(error)
        if not told:
            raise
        raise click.ClickException(told) from None


def _of_database(error: Exception) -> str:
    """The sentence for a database that is not there, or not made yet; "" for what is a fault of ours."""
    first = str(getattr(error, "orig", None) or error).strip().splitlines()[:1]
    kind = type(getattr(error, "orig", None)).__name__
    if any(word in f"{kind} {first}" for word in _NO_TABLE):
        return "The database has no tables yet: start the portal once, with python app.py."
    if is_away(error):
        return f"The database cannot be used ({''.join(first)}): check DATABASE_URL and the server."
    return ""

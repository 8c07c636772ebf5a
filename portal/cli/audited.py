"""Commands that change something leave an entry in the audit log, with what they were told and what became of it."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from flask.cli import with_appcontext
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import audit
from portal.cli.answers import services
from portal.models import Event, Location, OptOut, Sender

# Whatever is in neither list leaves an entry, also a command that somebody adds later.
READS = frozenset(
    {
        "admin list",
        "alerts list",
        "alerts recipients",
        "contact merges",
        "credits charges",
        "credits prove",
        "doctor",
        "events list",
        "installation list",
        "media list",
        "messages",
        "opt-outs export",
        "opt-outs list",
        "sender health",
        "sender ids",
        "sender line",
        "sender list",
        "sender switches",
        "templates",
        "texts preview",
    }
)
# They write entries of their own: they know more of what they do.
TELLS_ITSELF = frozenset(
    {
        "import",
        *(f"admin {name}" for name in ("create", "off", "on", "reset-password", "reset-second-factor")),
        *(f"alerts {name}" for name in ("acknowledge", "close", "forget", "grace", "mute", "quiet", "tell", "test")),
    }
)
# Of an option with several values under names, a credential's above all, the names alone are kept. Texts and numbers
# of customers are no part of the log: the message has them.
_KEPT = frozenset(
    {
        "batch",
        "by_itself",
        "channel",
        "credentials",
        "changes",
        "countries",
        "days",
        "event_id",
        "family",
        "file_id",
        "file_ids",
        "is_default",
        "language",
        "location_id",
        "merge_id",
        "name",
        "no_check",
        "on",
        "opt_out_id",
        "reason",
        "sender_id",
        "segments",
        "sender_ids",
        "template",
        "to_id",
        "trust_spool",
        "until",
        "uuid",
    }
)
_NAMES_ALONE = frozenset({"credentials", "changes"})


def audited(name: str, callback: Callable[..., Any]) -> Callable[..., Any]:
    """The command's work with its entry after it. What fails leaves none, and what was said still stands."""
    if name in READS or name in TELLS_ITSELF:
        return callback

    @wraps(callback)
    def work(*args: Any, **options: Any) -> Any:
        with services().database.read() as session:
            before = _snapshot(session, options)
        answer = callback(*args, **options)
        with services().database.write() as session:
            row = _row(session, options)
            after = _snapshot(session, options) | _told(options)
            subject = row if row is not None else audit.Subject("command", name)
            audit.note(session, audit.command_line(), f"flask {name}", subject, before, after)
        return answer

    found: Callable[..., Any] = with_appcontext(work)
    return found


def _snapshot(session: Session, options: Mapping[str, Any]) -> dict[str, Any]:
    row = _row(session, options)
    return audit.snapshot(row) if row is not None else {}


def _row(session: Session, options: Mapping[str, Any]) -> Sender | Location | OptOut | Event | None:
    """What the command is about, by the options that commands name things with."""
    if options.get("sender_id") is not None:
        return session.get(Sender, options["sender_id"])
    if options.get("opt_out_id") is not None:
        return session.get(OptOut, options["opt_out_id"])
    if options.get("event_id") is not None:
        return session.get(Event, options["event_id"])
    if options.get("location_id"):
        found: Location | None = session.scalar(select(Location).where(Location.ghl_id == options["location_id"]))
        return found
    return None


def _told(options: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if name in _KEPT and value not in (None, "", (), {}, False)}
    return {_said(name): sorted(value) if name in _NAMES_ALONE else value for name, value in given.items()}


def _said(name: str) -> str:
    return "fields that were set" if name in _NAMES_ALONE else f"--{name.replace('_', '-')}"

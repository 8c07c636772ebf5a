"""`flask doctor`: everything that a running portal stands on is looked at once. Usable while the database is away."""

from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from portal.doctor import callbacks, database, machine, media, outside, whatsapp, work
from portal.doctor.findings import Check, Finding, Level, fault, warn
from portal.services import Services

__all__ = ["Finding", "Level", "examine"]

ALONE: tuple[Check, ...] = (
    machine.settings,
    machine.secrets,
    machine.webhook_keys,
    machine.folders,
    machine.spool,
    machine.time_zones,
    media.media_stores,
    outside.highlevel,
)
WITH_DATABASE: tuple[Check, ...] = (
    database.durability,
    database.migrations,
    database.sealed,
    database.clock_skew,
    work.workers,
    work.queue,
    work.senders,
    callbacks.callbacks,
    whatsapp.whatsapp,
    work.grants,
    media.media_files,
    work.alerts,
)


def examine(services: Services) -> Iterator[Finding]:
    """Every finding, in the order of a first look: the machine, the outside, the database, the work."""
    for check in ALONE:
        yield from _looked(check, services)
    reached = list(database.reachable(services))
    yield from reached
    if any(finding.level is Level.FAULT for finding in reached):
        names = ", ".join(check.__name__.replace("_", " ") for check in WITH_DATABASE)
        yield warn("database", f"Not looked at: {names}.", "Bring the database back, then look again.")
        return
    for check in WITH_DATABASE:
        yield from _looked(check, services)


def _looked(check: Check, services: Services) -> Iterator[Finding]:
    """A check that fails must not hide what the others find."""
    name = check.__name__.replace("_", " ")
    try:
        yield from check(services)
    except (SQLAlchemyError, OSError, ValueError) as error:
        yield fault(name, f"Could not be looked at: {type(error).__name__}.", "Look again; see the log if it stays.")

"""Letters with one-use links. What is mailed is never shown; without a mail server, or when it fails, a link is."""

import logging
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portal import mail
from portal.accounts import audit, links
from portal.config import Settings
from portal.database import Database
from portal.errors import PortalError
from portal.models import LinkKind, User

log = logging.getLogger(__name__)

PATHS = {LinkKind.INVITATION: "invitation", LinkKind.RESET: "new-password"}

_INVITATION = """{made_by} invites you to Sendero{agency}, where SMS and WhatsApp messages are sent and received.

Choose a password here within 7 days. The link works once:
{link}

If you expected no invitation, do nothing: without the link nobody gets in.
"""
_RESET = """A new password for your account at Sendero was asked for{by}.

Choose one here within an hour. The link works once:
{link}

If you did not ask for it, do nothing: your password stays what it is.
"""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a link: mailed, or to be shown once (`link`), with why the letter failed, if it did."""

    mailed: bool
    link: str = ""
    fault: str = ""


def address(settings: Settings, kind: LinkKind, key: str) -> str:
    """The whole address of a link."""
    return f"{settings.app_url.rstrip('/')}/{PATHS[kind]}/{key}"


def deliver(settings: Settings, user: User, kind: LinkKind, key: str, made_by: str) -> Delivered:
    """Mails a link that is in the database already, or gives it back to be shown."""
    link = address(settings, kind, key)
    if settings.mail_server is None:
        return Delivered(mailed=False, link=link)
    try:
        subject, text = _written(user, kind, link, made_by)
        mail.send(settings.mail_server, user.email, subject, text)
    except mail.NotMailed as error:
        log.warning("letter not sent", extra={"user": user.id, "reason": str(error.__cause__)[:200]})
        return Delivered(mailed=False, link=link, fault=error.message)
    return Delivered(mailed=True)


def forgotten(database: Database, settings: Settings, email: str, address: str) -> None:
    """Mails a link for a new password, when there is somebody with this address who has one."""
    try:
        with database.write() as session:
            able = User.email == email, User.active, User.invited.is_(False)
            user = session.scalar(select(User).where(*able))
            if user is None:
                return
            key = links.make(session, user, LinkKind.RESET, "", keep=True)
            stranger = audit.Person("somebody who is not signed in", "", address)
            audit.note(session, stranger, "asked for a new password", user)
        deliver(settings, user, LinkKind.RESET, key, "")
    except (PortalError, SQLAlchemyError, TimeoutError) as error:
        log.warning("letter not sent", extra={"reason": type(error).__name__})


def _written(user: User, kind: LinkKind, link: str, made_by: str) -> tuple[str, str]:
    if kind == LinkKind.INVITATION:
        agency = f", for {user.agency.name}" if user.agency is not None and user.agency.name else ""
        return "Your invitation to Sendero", _INVITATION.format(made_by=made_by, agency=agency, link=link)
    by = f" by {made_by}" if made_by else ""
    return "A new password for Sendero", _RESET.format(by=by, link=link)

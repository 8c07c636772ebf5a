"""`flask alerts`: what needs a person, seeing to it, and who is told of it."""

from datetime import datetime, timedelta
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts import audit
from portal.alarms import recipients, rule
from portal.alarms.topics import Topic, topic_of
from portal.alerts.notices import close_alert
from portal.callbacks import subscriptions
from portal.cli.answers import say, services
from portal.errors import InvalidInput, NotFound
from portal.models import Agency, Alert, AlertRecipient, Location, Way

WHO = "the command line"

alerts = AppGroup("alerts", help="Incidents, and who is told of them.")
agency = click.option("--agency", "company_id", help="The HighLevel company id; without it, the operator's own.")
# Keyword, not positional: the audit log keeps the options that it knows.
named = click.argument("alert_id", type=int)
told = click.argument("recipient_id", type=int)


@alerts.command("list")
@click.option("--over", is_flag=True, help="Those that are over, the latest first, at most 100.")
def list_alerts(over: bool) -> None:
    """Prints the incidents, one JSON object a line."""
    state = Alert.closed_at.is_not(None) if over else Alert.closed_at.is_(None)
    wanted = select(Alert, Location.ghl_id).outerjoin(Location, Location.id == Alert.location_id).where(state)
    with services().database.read() as session:
        for row, ghl_id in session.execute(wanted.order_by(Alert.id.desc()).limit(100)):
            say(_shown(row, ghl_id))


@alerts.command("acknowledge")
@named
def acknowledge(alert_id: int) -> None:
    """Says that somebody is at it."""
    _do(alert_id, "acknowledged", lambda row: rule.acknowledge(row, WHO))


@alerts.command("mute")
@named
@click.option("--hours", type=click.IntRange(0, 24 * 30), required=True, help="For how long; 0 unmutes it.")
def mute(alert_id: int, hours: int) -> None:
    """Tells nobody of an incident for some hours."""
    _do(alert_id, "muted", lambda row: rule.mute(row, clock.now() + timedelta(hours=hours) if hours else None))


@alerts.command("close")
@named
def close(alert_id: int) -> None:
    """Closes an incident; it opens again when its cause is still there."""
    with services().database.write() as session:
        row = _alert(session, alert_id)
        if row.closed_at is None:
            with audit.deed(session, audit.command_line(), "closed", row):
                close_alert(session, row.kind, row.subject, by=WHO)
        say(_shown(row, None))


@alerts.command("recipients")
def list_recipients() -> None:
    """Prints who is told, one JSON object a line."""
    rows = select(AlertRecipient, Agency.company_id, Location.ghl_id)
    rows = rows.outerjoin(Agency, Agency.id == AlertRecipient.agency_id)
    rows = rows.outerjoin(Location, Location.id == AlertRecipient.location_id)
    with services().database.read() as session:
        for row, company, ghl_id in session.execute(rows.where(AlertRecipient.removed_at.is_(None))):
            say(_recipient(row) | {"agency": company, "location": ghl_id})


@alerts.command("tell")
@agency
@click.option("--email", help="Where letters go.")
@click.option("--url", help="Where signed webhooks go. Its secret is under Webhooks out.")
@click.option(
    "--topic",
    "topics",
    multiple=True,
    type=click.Choice([each.value for each in Topic]),
    help="What about; none: everything.",
)
def tell(company_id: str | None, email: str | None, url: str | None, topics: tuple[str, ...]) -> None:
    """Has somebody told of an agency's incidents, or of those that concern no agency."""
    if bool(email) == bool(url):
        raise InvalidInput("Give either --email or --url.")
    parts = services()
    if email and parts.settings.mail_server is None:
        raise InvalidInput(recipients.NO_MAIL)
    way = Way.EMAIL if email else Way.WEBHOOK
    where = (
        recipients.check_email(email)
        if email
        else subscriptions.check_url(url or "", parts.settings.allow_private_hosts)
    )
    with parts.database.write() as session:
        whose = _agency(session, company_id)
        row = recipients.add(session, parts.vault, way, where, topics, WHO, agency_id=whose.id if whose else None)
        _note(session, "added", row)
        say(_recipient(row))


@alerts.command("test")
@told
def test(recipient_id: int) -> None:
    """Sends a recipient a notice that tells of nothing."""
    with services().database.write() as session:
        row = _told(session, recipient_id)
        recipients.test(session, row)
        _note(session, "tested", row)
        say(_recipient(row))


@alerts.command("quiet")
@told
@click.option("--until", metavar="TIME", help="With its zone: 2026-12-01T09:00:00+08:00. Without it the quiet ends.")
def quiet(recipient_id: int, until: str | None) -> None:
    """Sends a recipient nothing before a moment."""
    with services().database.write() as session:
        row = _told(session, recipient_id)
        recipients.be_quiet(session, row, _moment(until))
        _note(session, "quieted", row)
        say(_recipient(row))


@alerts.command("forget")
@told
def forget(recipient_id: int) -> None:
    """Tells a recipient nothing any more."""
    with services().database.write() as session:
        row = _told(session, recipient_id)
        recipients.remove(session, row)
        _note(session, "removed", row)
        say({"id": recipient_id, "removed": True})


@alerts.command("grace")
@agency
@click.option("--topic", type=click.Choice([each.value for each in Topic]), help="Which one to set.")
@click.option("--minutes", type=click.IntRange(0, 24 * 60), help="How long an incident lasts before it is told.")
def grace(company_id: str | None, topic: str | None, minutes: int | None) -> None:
    """Says, or sets, after how long somebody is told."""
    if (topic is None) != (minutes is None):
        raise InvalidInput("Give --topic and --minutes together.")
    with services().database.write() as session:
        whose = _agency(session, company_id)
        id_ = whose.id if whose is not None else rule.OPERATOR
        before = rule.graces_of(session, id_)
        if topic is not None and minutes is not None:
            rule.set_grace(session, id_, Topic(topic), minutes * 60)
            session.flush()
            after = {topic: rule.graces_of(session, id_)[Topic(topic)]}
            subject = audit.Subject("alert", "", "grace periods", agency_id=whose.id if whose else None)
            audit.note(session, audit.command_line(), "set", subject, {topic: before[Topic(topic)]}, after)
        for each, seconds in rule.graces_of(session, id_).items():
            say({"topic": each.value, "minutes": seconds / 60})


def _do(alert_id: int, action: str, deed: Any) -> None:
    with services().database.write() as session:
        row = _alert(session, alert_id)
        with audit.deed(session, audit.command_line(), action, row):
            deed(row)
        say(_shown(row, None))


def _alert(session: Session, alert_id: int) -> Alert:
    row = session.get(Alert, alert_id, with_for_update=True)
    if row is None:
        raise NotFound(f"There is no alert {alert_id}.")
    return row


def _told(session: Session, recipient_id: int) -> AlertRecipient:
    row = session.get(AlertRecipient, recipient_id, with_for_update=True)
    if row is None or row.removed_at is not None:
        raise NotFound(f"There is no recipient {recipient_id}.")
    return row


def _agency(session: Session, company_id: str | None) -> Agency | None:
    if company_id is None:
        return None
    found = session.scalar(select(Agency).where(Agency.company_id == company_id))
    if found is None:
        raise NotFound(f"There is no agency {company_id}.")
    return found


def _note(session: Session, action: str, row: AlertRecipient) -> None:
    subject = audit.Subject("alert", str(row.id), f"recipient {row.shown}", row.location_id, row.agency_id)
    audit.note(session, audit.command_line(), action, subject)


def _moment(raw: str | None) -> datetime | None:
    if raw is None:
        return None
    try:
        found = datetime.fromisoformat(raw)
    except ValueError:
        raise InvalidInput("This is no time: write 2026-12-01T09:00:00+08:00.") from None
    if found.tzinfo is None or found <= clock.now():
        raise InvalidInput("Give a time that is still to come, with its zone.")
    return found


def _shown(row: Alert, ghl_id: str | None) -> dict[str, Any]:
    names = ("id", "kind", "subject", "text", "count", "returns", "opened_at", "last_at", "closed_at", "outcome")
    more = ("told_at", "acknowledged_by", "muted_until")
    said = {name: getattr(row, name) for name in (*names, *more)}
    return said | {"topic": topic_of(row.kind).value, "location": ghl_id}


def _recipient(row: AlertRecipient) -> dict[str, Any]:
    return {"id": row.id, "way": row.way, "to": row.shown, "topics": row.topics, "quiet_until": row.quiet_until}

"""`flask templates`: the templates of a sender, as its provider listed them last."""

from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from portal.channels import registry
from portal.channels.base import ChannelError
from portal.channels.capabilities import HasTemplates
from portal.cli.answers import say, services
from portal.errors import InvalidInput, NotFound
from portal.messaging import template_sending, template_texts
from portal.models import Sender, SenderState, TemplateRow


@click.command("templates")
@click.option("--sender", "sender_id", type=int, required=True, help="The sender, by its id.")
@click.option("--sync", is_flag=True, help="Ask the provider first.")
@with_appcontext
def templates(sender_id: int, sync: bool) -> None:
    """Prints a sender's templates, one JSON object a line: status, variables, and what the customer would read."""
    parts = services()
    failure = ""
    if sync:
        try:
            parts.template_watch.look(sender_id)
        except ChannelError as error:
            failure = error.message
    with parts.database.read() as session:
        sender = session.get(Sender, sender_id)
        if sender is None or sender.state == SenderState.REMOVED:
            raise NotFound(f"There is no sender {sender_id}.")
        if not isinstance(registry.get(sender.channel), HasTemplates):
            raise InvalidInput(f"{registry.get(sender.channel).name} knows no templates.")
        own = select(TemplateRow).where(TemplateRow.sender_id == sender_id)
        rows = session.scalars(own.order_by(TemplateRow.name, TemplateRow.language)).all()
    for row in rows:
        say(_line(row))
    if failure:
        raise InvalidInput(f"The provider could not be asked; this is what was known before. {failure}")


def _line(row: TemplateRow) -> dict[str, Any]:
    form = template_sending.form_of(row)
    return {
        "name": row.name,
        "language": row.language,
        "category": row.category,
        "status": row.status,
        "sendable": not (why := template_sending.why_not(row)),
        "reason": why or None,
        "quality": row.quality or None,
        "variables": [
            {"name": each.key, "where": each.where, "kind": each.kind, "example": each.example} for each in form.blanks
        ],
        "text": template_texts.preview(form, {}).text,
        "synced_at": row.synced_at,
        "gone_at": row.gone_at,
    }

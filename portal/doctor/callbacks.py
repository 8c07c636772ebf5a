"""Can the providers of the senders call this portal back?"""

from collections.abc import Iterator

from sqlalchemy import select

from portal.channels import registry
from portal.channels.capabilities import OneWebhook
from portal.doctor.findings import Finding, ok, warn
from portal.messaging.accounts import reaches_us
from portal.models import Sender, SenderState
from portal.services import Services

NAME, SHOWN = "callbacks", 5


def callbacks(services: Services) -> Iterator[Finding]:
    """An address that no provider reaches is not given out: then receipts are polled, and no customer's text comes."""
    app_url = services.settings.app_url
    kinds = [
        each.kind for each in registry.all() if each.calls_back and each.fields and not isinstance(each, OneWebhook)
    ]
    with services.database.read() as session:
        live = Sender.channel.in_(kinds), Sender.state != SenderState.REMOVED
        rows = session.scalars(select(Sender).where(*live).order_by(Sender.id)).all()
    cut_off = [f"{row.id} {row.name}" for row in rows if not reaches_us(app_url, row.api_url)]
    if cut_off:
        names = ", ".join(cut_off[:SHOWN]) + (f" and {len(cut_off) - SHOWN} more" if len(cut_off) > SHOWN else "")
        says = f"APP_URL is {app_url}, which no provider reaches: nothing that customers write comes in for {names}."
        yield warn(NAME, says, "Set APP_URL to the portal's public address and restart.")
    else:
        yield ok(NAME, f"{len(rows)} senders can be called back" if rows else "no senders that are called back")

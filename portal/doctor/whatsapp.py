"""WhatsApp Cloud: can its senders hear, and is the first one out of the settings where it should be?"""

from collections.abc import Iterator

from sqlalchemy import select

from portal.channels import registry
from portal.channels.capabilities import AppWebhook
from portal.doctor.findings import Finding, fault, ok, warn
from portal.messaging import first_sender
from portal.models import Sender, SenderState
from portal.services import Services

NAME = "whatsapp cloud"


def whatsapp(services: Services) -> Iterator[Finding]:
    """Without the app's secret nothing that Meta posts can be believed, so nothing is heard."""
    kinds = [each.kind for each in registry.all() if isinstance(each, AppWebhook)]
    with services.database.read() as session:
        live = Sender.channel.in_(kinds), Sender.state != SenderState.REMOVED
        rows = session.scalars(select(Sender).where(*live).order_by(Sender.id)).all()
        places = first_sender.waits_for(session)
    shared = [row for row in rows if not row.own_app]
    silent = [str(row.id) for row in rows if row.windowed and row.window_known_from is None]
    found = [*_app(services, len(shared)), *_first(services, places)]
    if silent:
        says = f"Nothing has been heard from Meta yet for sender {', '.join(silent[:5])}."
        remedy = "Enter its webhook address and verify token at Meta, and subscribe to messages (flask sender list)."
        found.append(warn(NAME, says, remedy))
    yield from found
    if not found:
        yield ok(NAME, f"{len(rows)} senders, all are heard" if rows else "no senders")


def _app(services: Services, shared: int) -> Iterator[Finding]:
    told = services.settings
    if shared and not told.whatsapp_app_secret:
        says = f"WHATSAPP_APP_SECRET is not set: {shared} sender(s) without an app of their own hear nothing."
        yield fault(NAME, says, "Copy the App Secret from the Meta app's Settings > Basic, then restart.")
    elif shared and not told.whatsapp_webhook_token:
        says = "WHATSAPP_WEBHOOK_TOKEN is not set: Meta cannot confirm the webhook address."
        yield fault(NAME, says, "Make one up, set it, and enter the same at Meta beside APP_URL/webhooks/whatsapp.")


def _first(services: Services, places: list[str]) -> Iterator[Finding]:
    told = services.settings
    if told.whatsapp_first and not first_sender.is_set(told):
        says = "WHATSAPP_TOKEN and WHATSAPP_PHONE_NUMBER_ID: a first sender needs both of them."
        yield warn(NAME, says, "Set both, or none of the settings of a first sender.")
    elif told.whatsapp_first and len(places) > 1:
        says = "The sender of WHATSAPP_PHONE_NUMBER_ID was not added: there are several sub-accounts."
        remedy = f"flask sender add --location {places[0]} --channel whatsapp_cloud (or another of them)"
        yield warn(NAME, says, remedy)

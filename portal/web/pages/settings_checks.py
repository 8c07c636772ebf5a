"""A settings check in words: what has to be right, how it is, since when that is known, what repairs it. Pure.

`repair` names the step: the page knows its address.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from portal import clock
from portal.channels import registry
from portal.channels.capabilities import OneWebhook
from portal.config import Settings
from portal.installations import scopes
from portal.installations.standing import Repair
from portal.messaging.accounts import reaches_us
from portal.models import GrantState
from portal.web.pages.queries.checks import Facts, Heard
from portal.wording import noted

GOOD, WAIT, BAD, PLAIN = "good", "wait", "bad", "plain"
UNPROVEN = (
    "Requests came to the delivery URL that did not prove to be HighLevel's. If messages are missing, tell whoever "
    "runs Sendero."
)
UNREACHABLE = "The portal's address is {}, which no provider reaches: nothing that customers write comes in."
ENTER_IT = "Nothing has come in yet. Is the webhook address of the sender's page entered at the provider?"
NEVER_RIGHT = "The provider's settings were never found right."
CHOOSE_PROVIDER = (
    "HighLevel does not tell which provider sends SMS: the proof is a message that it hands over. Choose this app in "
    "the sub-account under Settings → Phone Numbers → Advanced Settings → SMS Provider, and write to a contact there. "
    "A custom provider is chosen in the conversation itself."
)


@dataclass(frozen=True, slots=True)
class Line:
    """`repair` is connect, check (the installation), webhook, sender (its page), test, try or none."""

    about: str
    tone: str
    state: str
    sentence: str = ""
    at: datetime | None = None
    repair: str = "none"
    sender_id: int | None = None


def of_highlevel(facts: Facts) -> list[Line]:
    """The installation, its permissions, its token, and what HighLevel hands over."""
    return [_installation(facts), *_permission(facts), _delivery(facts), *_troubles(facts)]


def _installation(facts: Facts) -> Line:
    place, standing = facts.location, facts.standing
    repair = {Repair.CONNECT: "connect", Repair.NONE: "none"}.get(standing.repair, "check")
    return Line("Installation", standing.tone, standing.state, standing.sentence, place.state_since, repair)


def _permission(facts: Facts) -> Iterator[Line]:
    grant = facts.grant
    if grant is None:
        return
    lacking, given = scopes.missing(grant), grant.scopes.split()
    if lacking:
        yield Line("Permissions", BAD, "missing", f"Not given: {', '.join(lacking)}.", grant.consented_at, "connect")
    elif given:
        yield Line("Permissions", GOOD, "all given", f"{len(given)} scopes.", grant.consented_at)
    else:
        text = "HighLevel did not say which were given. A call that lacks one raises an alert."
        yield Line("Permissions", PLAIN, "not told", text, grant.consented_at)
    if grant.state != GrantState.ACTIVE:
        yield Line("Token", BAD, "dead", grant.failure, grant.refreshed_at, "connect")
    elif grant.failures:
        yield Line("Token", WAIT, "cannot be renewed", grant.failure, grant.refreshed_at, "check")
    else:
        left = max(int((grant.expires_at - clock.now()).total_seconds() // 60), 0)
        text = f"Good for {left} minutes more; it is renewed by itself before that." if left else "It is renewed now."
        yield Line("Token", GOOD, "in force", text, grant.refreshed_at)


def _delivery(facts: Facts) -> Line:
    about, found = noted("Messages from HighLevel"), facts.delivery
    if found is None:
        return Line(about, WAIT, "none yet", CHOOSE_PROVIDER)
    text = "This app is HighLevel's provider: it handed a message over at the delivery URL"
    if found.event is None:
        return Line(about, GOOD, "reached", f"{text}.", found.message.created_at)
    if not found.event.verified:
        text += "; its signature was looked at when the database was back"
        return Line(about, PLAIN, "reached", f"{text}.", found.event.received_at)
    return Line(about, GOOD, "reached, signed", f"{text}, and its signature was right.", found.event.received_at)


def _troubles(facts: Facts) -> Iterator[Line]:
    if (alert := facts.unauthentic) is not None:
        yield Line("Signatures", WAIT, "some were refused", UNPROVEN, alert.last_at)
    if facts.late is not None:
        text = "Work is due that nobody has begun: tell whoever runs Sendero."
        yield Line("Workers", BAD, "behind", text, facts.late)


def of_sender(heard: Heard, settings: Settings) -> list[Line]:
    """How the line is, and whether its provider can call back."""
    row, standing = heard.line.sender, heard.line.standing
    repair = "none" if standing.tone == GOOD else "sender"
    line = Line("Line", standing.tone, standing.state, standing.sentence, row.line_at, repair, row.id)
    pretends = not heard.line.channel.fields  # the simulator has no provider
    return [line] if pretends else [line, _webhook(heard, settings)]


def _webhook(heard: Heard, settings: Settings) -> Line:
    about, row = noted("Webhook"), heard.line.sender
    channel = registry.get(row.channel)
    came = max(filter(None, (heard.inbound_at, heard.receipt_at)), default=None)
    if not channel.calls_back:
        return Line(about, PLAIN, "none", "This provider does not call back: it is asked instead.", came)
    if not isinstance(channel, OneWebhook) and not reaches_us(settings.app_url, row.api_url):
        return Line(about, BAD, "cannot reach us", UNREACHABLE.format(settings.app_url), came)
    if registry.registrar(row.channel) is None:
        if came is not None:
            return Line(about, GOOD, "something came in", "The provider calls the address entered there.", came)
        return Line(about, WAIT, "nothing yet", ENTER_IT, None, "sender", row.id)
    if heard.alerts:
        return Line(about, WAIT, "look at it", heard.alerts[-1].text, heard.alerts[-1].last_at, "webhook", row.id)
    if heard.job is not None:
        note = heard.job.note or "The provider's settings are about to be looked at."
        return Line(about, WAIT, "being looked at", note, row.webhook_at, "webhook", row.id)
    if row.webhook_at is None:
        return Line(about, WAIT, "not looked at", NEVER_RIGHT, None, "webhook", row.id)
    text = "The provider's settings are as they should be. They are looked at once a day."
    return Line(about, GOOD, "right", text, row.webhook_at, "webhook", row.id)


def worst(lines: list[Line]) -> str:
    """The tone of the whole."""
    tones = {line.tone for line in lines}
    return next((tone for tone in (BAD, WAIT) if tone in tones), GOOD)


def answered(about: str, company_id: str) -> Line:
    """HighLevel has answered with the location's own data just now."""
    text = f"It knows the sub-account{', of the company ' + company_id if company_id else ''}, and takes the token."
    return Line(about, GOOD, "answers", text, clock.now())

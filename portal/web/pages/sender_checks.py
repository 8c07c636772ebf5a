"""Between a form on a sender and its rows: who may reach what, the provider's word, and what is said when it is no."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import request

from portal.accounts.permissions import Permission
from portal.config import Settings
from portal.errors import InvalidInput
from portal.messaging import sender_drafts, senders
from portal.messaging.patience import Patience
from portal.messaging.sender_drafts import Draft
from portal.messaging.sender_faults import FieldFault, Unanswered
from portal.messaging.senders import NewSender
from portal.web.context import services
from portal.web.viewer import viewer

UNCHECKED = "It is saved without the check: its first message shows whether the provider accepts it."
NOT_SAVED = "Nothing is saved yet: correct what is marked below."
# At the root of the stand-ins' server; the others have a path of their own, called like the channel.
_AT_ROOT = ("cast", "green_api", "whatsapp_cloud")


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong, by field and in general. `unasked` is set when the provider did not answer (`Draft.unasked`)."""

    fields: Mapping[str, str] = field(default_factory=dict)
    general: str = ""
    unasked: str = ""


def may_go_inside() -> bool:
    """May whoever looks have a sender reach private addresses? In the sandbox all providers are there."""
    return viewer().may(Permission.OPERATE) or services().settings.sandbox


def stand_in(settings: Settings, kind: str) -> str:
    """Where the sandbox has the provider, "" outside of it."""
    if not settings.sandbox or kind == "simulator":
        return ""
    return settings.ghl_api_url if kind in _AT_ROOT else f"{settings.ghl_api_url}/{kind}"


def proven(wanted: NewSender, draft: Draft) -> str:
    """What the provider says of the credentials. Raises `InvalidInput` when they are not good, or it says nothing.

    It is passed over only when it has not answered for these very ones before, and the person now says so.
    """
    senders.validate(wanted)
    if "unchecked" in request.form and draft.unasked == sender_drafts.fingerprint(wanted.api_url, wanted.credentials):
        return UNCHECKED
    return senders.check(Patience(), wanted, services().settings).detail


def faults_of(error: InvalidInput, wanted: NewSender) -> Faults:
    """The error as a form shows it."""
    if isinstance(error, Unanswered):
        return Faults({}, error.message, sender_drafts.fingerprint(wanted.api_url, wanted.credentials))
    if isinstance(error, FieldFault):
        return Faults(error.faults, NOT_SAVED)
    return Faults({}, error.message)


def sealed(purpose: str, secrets: Mapping[str, str], faults: Faults) -> str:
    """What the form carries along when it has to be shown again."""
    return sender_drafts.seal(services().vault, purpose, Draft(secrets, faults.unasked))


def unsealed(purpose: str) -> Draft:
    """What the form that was posted carried along."""
    return sender_drafts.unseal(services().vault, purpose, request.form.get("draft", ""))

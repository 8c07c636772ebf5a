"""How an installation stands, in words, and the one step that repairs it: pure decisions for pages and commands."""

from dataclasses import dataclass
from enum import StrEnum

from portal.installations import scopes
from portal.models import Agency, Grant, GrantState, InstallEvent, InstallState, Location
from portal.models.tenants import HERE, PRESENT


class Tone(StrEnum):
    """How urgent it is."""

    GOOD = "good"
    WAIT = "wait"
    BAD = "bad"
    PLAIN = "plain"


class Repair(StrEnum):
    """What helps: a new consent at HighLevel, another try of our own, or another look; nothing when all is well."""

    CONNECT = "connect"
    RETRY = "retry"
    CHECK = "check"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Standing:
    """`state` in two or three words, `sentence` what it means and what to do, `missing` the scopes not given."""

    state: str
    tone: Tone
    sentence: str
    repair: Repair
    missing: tuple[str, ...] = ()


def of_location(location: Location, grant: Grant | None, company: Grant | None) -> Standing:
    """How a location stands. `company` is its agency's grant, which may give it another token."""
    alive = company is not None and company.state == GrantState.ACTIVE
    if location.install_state in HERE:
        return _connected(location, grant, alive)
    if location.install_event == InstallEvent.DISCONNECT:
        text = f"{location.install_note} Nothing is sent. Connect it again, and what is held goes out."
        return Standing("disconnected", Tone.PLAIN, text.strip(), Repair.CONNECT)
    if location.install_state == InstallState.UNINSTALLED:
        text = f"{location.install_note} The app was uninstalled in HighLevel. Nothing is sent until it is back."
        return Standing("uninstalled", Tone.BAD, text.strip(), Repair.CONNECT)
    if location.install_event in PRESENT:
        text = f"HighLevel has the app installed, but it is not connected yet. {location.install_note}"
        return Standing("not connected", Tone.BAD, text.strip(), Repair.RETRY if alive else Repair.CONNECT)
    text = "The app was never installed in this sub-account. Nothing is sent until it is."
    return Standing("not installed", Tone.PLAIN, text, Repair.CONNECT)


def _connected(location: Location, grant: Grant | None, alive: bool) -> Standing:
    if location.install_state == InstallState.INACTIVE:
        text = "HighLevel has paused the sub-account. Activate it there: what is held then goes out by itself."
        return Standing("paused in HighLevel", Tone.WAIT, text, Repair.CHECK)
    if grant is None or grant.state != GrantState.ACTIVE:
        text = (
            "HighLevel's permission has ended: messages go out, but HighLevel hears nothing of them, and nothing "
            f"that comes in gets there. {grant.failure if grant else ''}"
        )
        return Standing("permission ended", Tone.BAD, text.strip(), Repair.RETRY if alive else Repair.CONNECT)
    lacking = scopes.missing(grant)
    if lacking:
        text = "The app was not given all the permissions (scopes) it needs. Connect it again, and allow all of them."
        return Standing("permissions missing", Tone.BAD, text, Repair.CONNECT, lacking)
    if grant.failures:
        text = f"The permission could not be renewed; it is tried again by itself. {grant.failure}"
        return Standing("renewal fails", Tone.WAIT, text, Repair.CHECK)
    if location.unlisted_at is not None:
        text = "The agency's list in HighLevel does not name it any more, although its permission holds."
        return Standing("not listed", Tone.WAIT, text, Repair.CHECK)
    return Standing("connected", Tone.GOOD, "", Repair.NONE)


def of_agency(agency: Agency, grant: Grant | None) -> Standing:
    """How an agency's own permission stands, out of which its sub-accounts are connected."""
    if grant is None:
        text = "Its sub-accounts install the app one by one."
        return Standing("no agency permission", Tone.PLAIN, text, Repair.NONE)
    if grant.state == GrantState.UNINSTALLED:
        text = "The agency has uninstalled the app."
        return Standing("uninstalled", Tone.PLAIN, text, Repair.CONNECT)
    if grant.state != GrantState.ACTIVE:
        text = f"HighLevel's permission for the agency has ended: new sub-accounts are not connected. {grant.failure}"
        return Standing("permission ended", Tone.BAD, text.strip(), Repair.CONNECT)
    lacking = scopes.missing(grant)
    if lacking:
        text = "The agency has not given all the permissions (scopes) that are needed to connect its sub-accounts."
        return Standing("permissions missing", Tone.BAD, text, Repair.CONNECT, lacking)
    if grant.failures or agency.note:
        text = f"Its sub-accounts could not be looked up; it is tried again. {grant.failure or agency.note}"
        return Standing("look-up fails", Tone.WAIT, text, Repair.RETRY)
    future = "New sub-accounts are connected by themselves." if grant.installs_future else ""
    return Standing("connected", Tone.GOOD, future, Repair.RETRY)

"""What Meta's error codes mean, in answers and in statuses (Meta, "Error codes"): branch on `code`, never on titles.

An error that Meta answers with a code is a refusal: nothing went out. The two codes of the Graph API in general that
say no more than "try again" (1 and 2) leave that open, and so does an answer that holds no error that can be read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.channels.base import Loss, Scope, Setback
from portal.channels.values import block, text

LONGEST_WORDS = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """Whose fault it is, whether time or a repair helps, and the sentence.

    `wait`: seconds, where Meta names none. `doubt`: the call may have been made. `loss`: as a failed receipt.
    `words`: what Meta says of this case tells more than the sentence, and follows it. `crowded`, `no_marketing`: as in
    `ChannelError`.
    """

    scope: Scope
    retry: bool
    sentence: str
    stops: bool = False
    doubt: bool = False
    wait: float | None = None
    loss: Loss = Loss.REJECTED
    words: bool = False
    crowded: bool = False
    no_marketing: float = 0.0


_SENDER, _MESSAGE = Scope.SENDER, Scope.MESSAGE
_HOUR = 3600.0
_DAY = 24 * _HOUR


def _later(sentence: str, wait: float | None = None) -> Refusal:
    return Refusal(_SENDER, True, sentence, wait=wait)


def _too_fast(sentence: str, wait: float | None = None) -> Refusal:
    """Nobody turns the number's messages away: they are too many at a time."""
    return Refusal(_SENDER, True, sentence, wait=wait, loss=Loss.ACCOUNT)


def _repair(sentence: str, words: bool = False) -> Refusal:
    """The sender can send nothing until a person has done something; what waits goes out then."""
    return Refusal(_SENDER, True, sentence, stops=True, words=words, loss=Loss.ACCOUNT)


def _never(sentence: str, loss: Loss = Loss.NONE, words: bool = False) -> Refusal:
    return Refusal(_MESSAGE, False, sentence, loss=loss, words=words)


def _no_marketing(sentence: str) -> Refusal:
    """Meta withholds marketing from this customer; repeated within a day it is withheld again, and longer."""
    return Refusal(_MESSAGE, False, sentence, loss=Loss.WITHHELD, no_marketing=_DAY)


_TOKEN = _repair("Meta does not take the access token any more: make a new one for the system user and enter it.")
_PERMISSION = _repair(
    "The access token lacks a permission: give its system user the WhatsApp account with whatsapp_business_messaging "
    "and whatsapp_business_management, make a new token and enter it.",
)
_LOCKED = _repair("Meta has locked the WhatsApp Business account: look into its quality page and ask for a review.")
_TEMPLATE = "Meta refuses the template"
GONE = _repair("The access token opens no such number or account at Meta: check their IDs and the token.")
NO_ACCOUNT = "The access token opens no such WhatsApp Business account: check the account's ID, and what it was given."
PERMISSIONS = frozenset(range(200, 300))

WINDOW_CLOSED, MARKETING_STOPPED = "131047", "131050"

REFUSALS: dict[str, Refusal] = {
    "0": _TOKEN,
    "190": _TOKEN,
    "3": _PERMISSION,
    "10": _PERMISSION,
    "131005": _PERMISSION,
    "1": Refusal(_SENDER, False, "Meta had an error of its own: it may have gone out.", doubt=True),
    "2": Refusal(_SENDER, False, "Meta's API was not available for a moment: it may have gone out.", doubt=True),
    "4": _too_fast("The Meta app has called too often: the sender waits by itself.", 300.0),
    "80007": _too_fast("The WhatsApp Business account has called too often: the sender waits by itself.", 300.0),
    "130429": _too_fast("The number has sent faster than Meta allows it: the sender waits by itself."),
    "131048": _later(
        "Meta holds the number back, because too many of its messages were blocked or reported: write less, and only "
        "to people who expect it.",
        900.0,
    ),
    "131056": Refusal(
        _MESSAGE,
        True,
        "This customer was written to too often within seconds: it goes out by itself.",
        loss=Loss.WITHHELD,
        crowded=True,
    ),
    "131057": _later("Meta does maintenance on the account: the sender waits by itself.", 300.0),
    "133016": _too_fast("The number was registered too often within a short time: the sender waits by itself.", _HOUR),
    "131000": Refusal(_MESSAGE, True, "Meta could not send it, for a reason it does not know: it is tried again."),
    "131016": _later("A service of Meta is not available: the sender waits by itself."),
    "131053": Refusal(
        _MESSAGE,
        True,
        "Meta could not take the file: it must be reachable, of a type that WhatsApp takes, and not too large.",
        words=True,
    ),
    "131052": _never("Meta could not fetch the file that the customer sent: ask for it again."),
    "368": _LOCKED,
    "131031": _LOCKED,
    "131042": _repair("Meta is not paid: settle the WhatsApp Business account's payment method, then resume."),
    "131045": _repair("The number is not registered with Meta as it should be: register it anew, then resume."),
    "133010": _repair("The number is not registered for the Cloud API: register it, then resume."),
    "131037": _repair("Meta has not approved the number's display name: have it approved, then resume."),
    "131064": _repair("Meta limits the account for violating its rules: look into its quality page, then resume."),
    "33": _repair("The number was deleted at Meta: add a sender with another number."),
    "100": _never("Meta does not accept the message.", words=True),
    "131008": _never("Meta misses something in the message.", words=True),
    "131009": _never("Meta does not accept a value in the message.", words=True),
    "131051": _never("WhatsApp knows no messages of this kind: send it as a text or a file."),
    "131055": _never("Meta does not allow this for the number.", words=True),
    "131021": _never("The number would write to itself: choose another recipient.", Loss.UNREACHABLE),
    "131026": _never(
        "WhatsApp cannot deliver it: the number has no WhatsApp, an old version, or has not agreed to its terms. "
        "Write by SMS, or correct the number.",
        Loss.UNREACHABLE,
    ),
    "131030": _never(
        "The number is a test number of Meta, and this recipient is not on its list: add it there, or use a real one.",
        Loss.UNREACHABLE,
    ),
    WINDOW_CLOSED: _never("The customer has not written for 24 hours: send a template.", Loss.WITHHELD),
    "131049": _no_marketing(
        "Meta has not delivered it, because this customer gets enough marketing: wait a day at least before the next."
    ),
    "130472": _no_marketing(
        "Meta has not delivered it: the customer is part of an experiment without marketing. Do not repeat it today."
    ),
    MARKETING_STOPPED: _never(
        "The customer has stopped marketing messages from this business: send none any more.", Loss.WITHHELD
    ),
    "130497": _never("Meta does not let this account write to the customer's country.", Loss.REJECTED),
    "131062": _never("This template can be sent to a phone number only, and the customer's is not known: ask for it."),
    "137000": _never("The customer's identity has changed and must be confirmed: ask them to write first."),
    "132000": _never(f"{_TEMPLATE}: it has another number of variables. Fill them all.", words=True),
    "132001": _never(f"{_TEMPLATE}: there is none of this name and language, or it is not approved."),
    "132005": _never(f"{_TEMPLATE}: with its variables filled in it is too long. Shorten them."),
    "132007": _never(f"{_TEMPLATE}: its content is against WhatsApp's rules. Change it, and have it approved anew."),
    "132008": _never(f"{_TEMPLATE}: a variable does not fit.", words=True),
    "132012": _never(f"{_TEMPLATE}: a variable is of another kind than it was approved with.", words=True),
    "132015": _never(f"{_TEMPLATE}: it is paused for low quality. Choose another, or wait."),
    "132016": _never(f"{_TEMPLATE}: it was paused too often and is disabled. Make a new one."),
    "132018": _never(f"{_TEMPLATE}: its variables cannot be read.", words=True),
    "132068": _never("The Flow in it is blocked: repair it at Meta."),
    "132069": Refusal(_MESSAGE, True, "The Flow in it is held back, an hour's worth was sent: it goes out later."),
    "135000": _never("Meta could not send it, for a reason it does not tell.", Loss.REJECTED, words=True),
    "2200": _repair(
        "Meta could not verify our webhook address: it must be reachable from the internet, and the verify token right."
    ),
}
_UNLISTED = _never("Meta refused it.", Loss.REJECTED, words=True)


def of(code: str) -> Refusal:
    """What a code means; 200 to 299 are all permissions. One that nobody has described yet is the message's own."""
    if code.isascii() and code.isdigit() and len(code) == 3 and int(code) in PERMISSIONS:
        return _PERMISSION
    return REFUSALS.get(code, _UNLISTED)


def sentence(code: str, told: str) -> str:
    """The sentence of a code, with Meta's own words behind it where they tell more."""
    found = of(code)
    if not found.words or not told:
        return found.sentence
    return f"{found.sentence.removesuffix('.')}: {told}."


def lost(code: str, told: str) -> str:
    """The same of a message that Meta took and lost, and that is not tried any more."""
    found = of(code)
    if found.words or found.stops or not (found.retry or found.doubt):
        return sentence(code, told)
    return f"{cause(code)}: send it anew."


def setback(code: str, told: str) -> Setback | None:
    """What a message that Meta took and lost asks for besides: a failed status is as definite as a refusal."""
    found = of(code)
    if not (found.retry or found.no_marketing):
        return None
    return Setback(
        found.scope,
        retry=found.retry,
        retry_after=found.wait,
        stops=found.stops,
        crowded=found.crowded,
        no_marketing=found.no_marketing,
        sentence=sentence(code, told),
    )


def cause(code: str) -> str:
    """The first half of a sentence: what is the matter, without what follows from it."""
    return of(code).sentence.partition(":")[0].removesuffix(".")


def words(error: Mapping[str, Any], hidden: Sequence[str] = ()) -> str:
    """What Meta says of an error, on one line: the details, else the message, without the code before it.

    `hidden` is taken out before it is shortened, so that no half of it is left.
    """
    details = text(block(error.get("error_data")).get("details"))
    said = details or text(error.get("message")) or text(error.get("title"))
    for secret in filter(None, hidden):
        said = said.replace(secret, "…")
    said = said.split(") ", 1)[1] if said.startswith("(#") and ") " in said else said
    return " ".join(said.split())[:LONGEST_WORDS].rstrip(" .:")

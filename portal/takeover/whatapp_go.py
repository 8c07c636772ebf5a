"""whatapp-go-pvnet's table `users`: who signs in, with the number at Meta and the credits of each.

The columns are GORM's for what its API and its notes name. `sso_id` is the sub-account's id in HighLevel; a column
`location` counts before it.
"""

from collections.abc import Iterator, Mapping

from portal.credits.grants import MOST
from portal.models import Role
from portal.takeover.exports import Line, Unusable
from portal.takeover.wishes import CreditsWish, Given, Left, SenderWish, UserWish, Wish

CHANNEL = "whatsapp_cloud"
# Its clients send: what is called a client here only looks.
ROLES: Mapping[str, Role] = {"CLIENT": Role.AGENT, "ADMIN": Role.ADMIN}
NO_PLAN = f"A plan gives 1 to {MOST} credits a month: the wallet is left as it is."
NO_CREDITS = "It has no monthly credits there, where nothing was ever refused: the wallet is left unlimited."


def wishes(line: Line, given: Given) -> Iterator[Wish | Left]:
    """Its user, sender and credits. Raises `Unusable`."""
    if line.text("deleted_at"):
        raise Unusable("It was deleted there.")
    email = line.text("email")
    if not email:
        raise Unusable("A user has an email.")
    place = line.place(given.location, "location", "sso_id")
    yield _user(line, place, email)
    yield from _sender(line, given, place)
    yield from _credits(line, place, email)


def _user(line: Line, place: str, email: str) -> Wish | Left:
    role = line.text("role").upper() or "CLIENT"
    if role not in ROLES:
        return Left("user", email, f"Its role is none of {', '.join(ROLES)}.", place)
    return UserWish(place, email, ROLES[role], line.flag("is_active", True), line.text("password", "password_hash"))


def _sender(line: Line, given: Given, place: str) -> Iterator[Wish | Left]:
    known = {
        "phone_number_id": line.text("whatsapp_phone_number_id"),
        "access_token": line.text("whatsapp_token"),
        "waba_id": line.text("whatsapp_business_account_id", "waba_id"),
    }
    named = {name: value for name, value in known.items() if value}
    if not named:
        return
    if "phone_number_id" not in named or "access_token" not in named:
        yield Left("sender", CHANNEL, "A number needs its whatsapp_phone_number_id and its whatsapp_token.", place)
        return
    yield SenderWish(place, given.sender(CHANNEL, line.text("name") or "WhatsApp", named))


def _credits(line: Line, place: str, email: str) -> Iterator[Wish | Left]:
    monthly, left = line.whole("monthly_credits"), line.whole("current_month_credits")
    if monthly is None and left is None:
        return
    if not monthly or not 0 < monthly <= MOST:
        # Some write -1 for "no limit". A plan of that would give nothing, and stop the sub-account.
        yield Left("credits", f"{monthly or 0} a month", NO_PLAN if monthly else NO_CREDITS, place)
        return
    # Its own number names the entries: an address may change, and another export may be in another order.
    yield CreditsWish(place, line.text("id") or email.lower(), monthly, left)

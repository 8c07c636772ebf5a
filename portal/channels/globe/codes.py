"""What Globe Labs' refusals mean. It documents HTTP statuses alone, and charges for a 400 and a 401 like for a text.

So nothing that is sure to be refused is sent, and a sender whose credentials are wrong is paused, not tried again.
"""

from portal.channels.refusals import Refusal, config, invalid, stopped

NAME = "Globe Labs"
ABROAD = "abroad"

_CREDENTIALS = stopped(
    "Globe Labs does not accept the app's credentials, and charges for every try: enter the right ones, then resume "
    "the sender."
)

ERRORS: dict[str, Refusal] = {
    ABROAD: invalid("Globe Labs writes to Philippine numbers alone: choose another sender."),
    "credentials": _CREDENTIALS,
    "wallet": config("The Globe Labs wallet has no money left: top it up."),
    "number": invalid("Globe Labs does not take this number: it is none, or none that it can reach."),
    "message": invalid("Globe Labs does not take this text: it is empty, or too long."),
}
# Parts of its sentences, in lower case and in this order → the meaning above. They are not documented.
SENTENCES: tuple[tuple[str, str], ...] = (
    ("wallet", "wallet"),
    ("balance", "wallet"),
    ("passphrase", "credentials"),
    ("app_id", "credentials"),
    ("app_secret", "credentials"),
    ("access token", "credentials"),
    ("access_token", "credentials"),
    ("authenti", "credentials"),
    ("authori", "credentials"),
    ("shortcode", "credentials"),
    ("short code", "credentials"),
    ("address", "number"),
    ("subscriber", "number"),
    ("number", "number"),
    ("message", "message"),
)
BY_STATUS: dict[int, Refusal] = {
    400: invalid("Globe Labs refused it (HTTP 400): check the number first, then the app's credentials."),
    401: _CREDENTIALS,
    403: _CREDENTIALS,
    404: stopped(
        "Globe Labs does not know the short code, and charges for every try: check it and the API address, then resume "
        "the sender."
    ),
}

"""What Toy's words mean."""

from portal.channels.base import Outcome, Scope

# Whose fault it is, whether time helps, and the sentence for a person.
ERRORS = {
    "bad_number": (Scope.MESSAGE, False, "Toy does not know this number."),
    "bad_token": (Scope.SENDER, True, "Toy does not know the token: enter the right one."),
    "too_fast": (Scope.SENDER, True, "Toy asks to send more slowly."),
}
BY_HTTP_STATUS = {401: "bad_token", 429: "too_fast"}
OUTCOMES = {"delivered": Outcome.DELIVERED, "failed": Outcome.FAILED}

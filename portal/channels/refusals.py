"""What a provider's refusal means, in the few kinds there are: a channel's `codes.py` is a table of these.

The kinds are those of courier's senders: a wrong setting, no money, too fast, the message's own fault, an opted-out
recipient, a fault that passes, and no way to know.
"""

from dataclasses import dataclass
from typing import NoReturn

from portal.channels.base import ChannelError, Scope
from portal.http import Response


@dataclass(frozen=True, slots=True)
class Refusal:
    """One meaning. `sentence` is for a person and ends with a full stop; the rest is as in `ChannelError`.

    `doubt`: the call may have been carried out.
    """

    sentence: str
    scope: Scope = Scope.MESSAGE
    retry: bool = False
    retry_after: float | None = None
    doubt: bool = False
    opted_out: bool = False
    stops: bool = False

    def error(
        self, code: str, answer: Response | None = None, *, sends: bool = True, idempotent: bool = False
    ) -> ChannelError:
        """The error to raise. What only asked (`sends` False) is asked again and leaves nothing in doubt.

        `idempotent`: the same call may be repeated under its own key, also when its outcome is unknown.
        """
        named = answer.retry_after() if answer is not None else None
        again = self.doubt and (idempotent or not sends)
        return ChannelError(
            self.sentence,
            code=code,
            scope=self.scope,
            retry=self.retry or again,
            retry_after=named if named is not None else self.retry_after,
            unknown=self.doubt and sends,
            opted_out=self.opted_out,
            stops=self.stops,
        )


def config(sentence: str) -> Refusal:
    """A setting of the sender is wrong: it stands still, and goes on once that is repaired."""
    return Refusal(sentence, Scope.SENDER, retry=True)


def stopped(sentence: str) -> Refusal:
    """Only a person can make this sender send again, at the provider: it is paused and its messages are held."""
    return Refusal(sentence, Scope.SENDER, retry=True, stops=True)


def throttled(sentence: str, seconds: float | None = None) -> Refusal:
    """Too fast, or the provider is busy: nothing was taken. `seconds` where it names no time of its own."""
    return Refusal(sentence, Scope.SENDER, retry=True, retry_after=seconds)


def invalid(sentence: str) -> Refusal:
    """The message's own fault: no repetition helps."""
    return Refusal(sentence)


def later(sentence: str, seconds: float | None = None) -> Refusal:
    """A fault that passes and concerns this message alone."""
    return Refusal(sentence, retry=True, retry_after=seconds)


def opted_out(sentence: str) -> Refusal:
    """The provider keeps the recipient from being written to, because they asked for silence."""
    return Refusal(sentence, opted_out=True)


def in_doubt(sentence: str) -> Refusal:
    """Nobody can know whether it went out."""
    return Refusal(sentence, Scope.SENDER, doubt=True)


def by_status(provider: str, status: int) -> Refusal:
    """What an HTTP status means where the answer names nothing that is known."""
    if status in (401, 403):
        return config(f"{provider} does not accept the credentials (HTTP {status}): enter the right ones.")
    if status == 402:
        return config(f"The {provider} account has no credit left: top it up.")
    if 300 <= status < 400 or status in (404, 405):
        return config(f"{provider}'s API is not at this address (HTTP {status}): check the API address.")
    if status == 429:
        return throttled(f"{provider} asks to send more slowly: the sender waits by itself.")
    if status < 300 or status in (408, 409) or status >= 500:
        return in_doubt(f"{provider}'s answer cannot be used (HTTP {status}): it may have gone out.")
    return invalid(f"{provider} refused it, for a reason that is not known here (HTTP {status}).")


def refuse(
    provider: str,
    answer: Response,
    code: str = "",
    known: Refusal | None = None,
    *,
    sends: bool = True,
    idempotent: bool = False,
) -> NoReturn:
    """Raises what an answer means: `known`, the meaning of its own `code`, else what its status says.

    Whoever only asked a question learns that it is asked again, not that something may have gone out.
    """
    found = known or by_status(provider, answer.status)
    if found.doubt and not sends:
        sentence = f"{provider} had an error of its own (HTTP {answer.status}): it is asked again by itself."
        found = Refusal(sentence, Scope.SENDER, doubt=True)
    raise found.error(code or str(answer.status), answer, sends=sends, idempotent=idempotent)

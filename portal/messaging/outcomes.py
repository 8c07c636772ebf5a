"""What a call came to, and a channel's answer made fit to be written."""

from dataclasses import dataclass, replace

from portal.channels.base import Accepted, ChannelError
from portal.messaging.fence import Pass
from portal.messaging.storable import storable
from portal.queue.jobs import Due
from portal.recording import Heard

MOST_SEGMENTS = 1000


def clean_outcome(outcome: Accepted | ChannelError) -> Accepted | ChannelError:
    """The outcome with texts that a database takes and a number of segments that can be.

    An odd answer must not keep the results of others from the disk.
    """
    if isinstance(outcome, ChannelError):
        outcome.code, outcome.message = storable(outcome.code, 64), storable(outcome.message, 1000)
        return outcome
    segments = min(max(outcome.segments, 0), MOST_SEGMENTS)
    external_id, code = storable(outcome.external_id, 200), storable(outcome.code, 64)
    return replace(outcome, segments=segments, external_id=external_id, code=code)


@dataclass(frozen=True, slots=True)
class Result:
    """One ended call: what came back, or the error, and the job that made it.

    `bulk`: a share of a bulk call, which sees to its repetition itself. `heard` is its HTTP, as far as it is kept.
    """

    due: Due
    passed: Pass
    outcome: Accepted | ChannelError
    idempotent: bool
    polls: bool
    acceptance_counts: bool
    bulk: bool = False
    heard: Heard | None = None

    @property
    def simple(self) -> bool:
        """A one-part message that was accepted: the path that nearly every message takes."""
        accepted = isinstance(self.outcome, Accepted) and not self.outcome.sandbox
        plain = self.passed.parts == 1 and not self.passed.to_be_logged and not self.acceptance_counts
        # One that was settled before has more entries in the ledger than the few statements know of.
        return accepted and plain and not self.passed.lost

"""What a channel answered, made fit to be written: an odd answer must not keep the results of others from the disk."""

from dataclasses import replace

from portal.channels.base import Accepted, ChannelError
from portal.messaging.storable import storable

MOST_SEGMENTS = 1000


def clean_outcome(outcome: Accepted | ChannelError) -> Accepted | ChannelError:
    """The outcome with texts that a database takes and a number of segments that can be."""
    if isinstance(outcome, ChannelError):
        outcome.code, outcome.message = storable(outcome.code, 64), storable(outcome.message, 1000)
        return outcome
    segments = min(max(outcome.segments, 0), MOST_SEGMENTS)
    external_id, code = storable(outcome.external_id, 200), storable(outcome.code, 64)
    return replace(outcome, segments=segments, external_id=external_id, code=code)

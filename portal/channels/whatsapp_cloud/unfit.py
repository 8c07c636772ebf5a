"""What cannot be sent is refused before anything leaves, with a sentence that says what to change."""

from portal.channels.base import ChannelError


def at_most(text: str, limit: int, what: str) -> None:
    """Raises `ChannelError` when a text is longer than WhatsApp takes."""
    if len(text) > limit:
        raise unfit(f"{what} may have {limit} characters, and this has {len(text)}: shorten it.", "too_long")


def unfit(sentence: str, code: str) -> ChannelError:
    """The message's own fault, which no repetition mends."""
    return ChannelError(sentence, code=code)

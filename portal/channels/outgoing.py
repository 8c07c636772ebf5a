"""What an SMS says of a part: its text, and its files as links below it."""

from portal.channels.base import Outgoing


def with_links(part: Outgoing) -> str:
    """The text with the addresses of the files below it, one a line: what `messaging.parts` counts as segments."""
    return "\n".join(filter(None, (part.text, *(file.url for file in part.files))))

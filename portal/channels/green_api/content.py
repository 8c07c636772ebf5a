"""What was read of a message's own data, before it is known who wrote it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.channels.content import About, File, Kind


@dataclass(frozen=True, slots=True)
class Read:
    """The kind, text, files and details as in `Inbound`, and what the message refers to."""

    kind: Kind
    text: str = ""
    files: Sequence[File] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    about: About | None = None
    code: str = ""

"""GREEN-API's error markers: `{{SWE001}}` stands where a text or a file's address should be."""

import re

from portal.channels.green_api.codes import MARKERS, UNKNOWN_MARKER

_MARKER = re.compile(r"\s*\{\{(SWE[0-9]{3})\}\}\s*")


def marker(said: str) -> tuple[str, str]:
    """The marker that this is, with its sentence; two "" for anything else (people may write of markers)."""
    found = _MARKER.fullmatch(said)
    if found is None:
        return "", ""
    return found[1], MARKERS.get(found[1]) or UNKNOWN_MARKER.format(code=found[1])

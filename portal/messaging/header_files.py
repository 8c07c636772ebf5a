"""The file above a template or buttons: its address stands in the details, not among the attachments. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from portal.channels import registry
from portal.channels.content import Kind
from portal.channels.handing import wants_copy

KINDS = frozenset((Kind.TEMPLATE, Kind.BUTTONS, Kind.FLOW))


def address(kind: str, details: Mapping[str, Any]) -> str:
    """Where the file is, "" where there is none."""
    if kind == Kind.TEMPLATE:
        return next(_links(details), "")
    said = details.get("media")
    return str(said.get("url") or "") if isinstance(said, Mapping) else ""


def to_copy(channel: str, kind: str, details: Mapping[str, Any], last_code: str) -> str:
    """Its address, if the provider has to be given a copy because it cannot fetch it; "" else."""
    found = address(kind, details)
    return found if found and wants_copy(registry.get(channel), found, last_code) else ""


def _links(details: Mapping[str, Any]) -> Iterator[str]:
    """The links in a template's header, as Meta takes its components."""
    components = details.get("components")
    for each in components if isinstance(components, list | tuple) else ():
        if not isinstance(each, Mapping) or each.get("type") != "header":
            continue
        for parameter in each.get("parameters") or ():
            said = parameter.get(str(parameter.get("type"))) if isinstance(parameter, Mapping) else None
            if isinstance(said, Mapping) and said.get("link"):
                yield str(said["link"])

"""Templates: what Meta keeps of one, what is wrong with a message that uses it, and how it looks on a phone."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.sandbox.whatsapp_cloud.errors import GraphError

Body = dict[str, Any]

PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
EVENTS = ("APPROVED", "REJECTED", "PAUSED", "DISABLED", "PENDING", "FLAGGED", "IN_APPEAL")
REASONS = {"REJECTED": "INVALID_FORMAT", "PAUSED": "NONE", "DISABLED": "NONE"}
FILES = ("IMAGE", "VIDEO", "DOCUMENT")


@dataclass(slots=True)
class Template:
    """One template in one language. `components` are as Meta gives them; `status` is its word."""

    id: str
    name: str
    language: str
    category: str
    status: str
    components: list[Body] = field(default_factory=list)
    quality: str = "GREEN"
    reason: str = "NONE"

    def component(self, kind: str) -> Body:
        """Its HEADER, BODY, FOOTER or BUTTONS; empty where there is none."""
        return next((one for one in self.components if one["type"] == kind), {})

    @property
    def buttons(self) -> list[Body]:
        """Its buttons."""
        return list(self.component("BUTTONS").get("buttons", []))

    def listed(self) -> Body:
        """Every field that a list of templates can show."""
        return {
            "name": self.name,
            "parameter_format": "NAMED" if any(not one.isdigit() for one in places(self)) else "POSITIONAL",
            "components": self.components,
            "language": self.language,
            "status": self.status,
            "category": self.category,
            "quality_score": {"score": self.quality, "date": 1_795_000_000},
            "rejected_reason": self.reason,
            "id": self.id,
        }


def places(template: Template) -> list[str]:
    """The variables of the body, each once, in their order."""
    return list(dict.fromkeys(PLACE.findall(str(template.component("BODY").get("text", "")))))


def demo_templates() -> list[Template]:
    """What the demo's account has: one with variables, one with a picture and buttons, one paused, one turned down."""
    visit = "Hello {{1}}, your visit is on {{2}}. Reply to change it."
    return [
        Template(
            "900000000000001",
            "visit_reminder",
            "en",
            "UTILITY",
            "APPROVED",
            [
                {"type": "BODY", "text": visit, "example": {"body_text": [["Liza", "Friday at 10:00"]]}},
                {"type": "FOOTER", "text": "Manila Home Repair"},
            ],
        ),
        Template(
            "900000000000002",
            "rainy_season_offer",
            "en",
            "MARKETING",
            "APPROVED",
            [
                {
                    "type": "HEADER",
                    "format": "IMAGE",
                    "example": {"header_handle": ["https://scontent.whatsapp.net/v/t61.29466-34/roof.jpg"]},
                },
                {"type": "BODY", "text": "Roofs checked free of charge until the rain comes."},
                {
                    "type": "BUTTONS",
                    "buttons": [
                        {"type": "QUICK_REPLY", "text": "Book a visit"},
                        {"type": "QUICK_REPLY", "text": "Stop promotions"},
                        {"type": "URL", "text": "See prices", "url": "https://mnlrepair.test/prices"},
                    ],
                },
            ],
        ),
        Template(
            "900000000000003",
            "feedback_request",
            "en",
            "MARKETING",
            "PAUSED",
            [{"type": "BODY", "text": "How did we do, {{1}}?", "example": {"body_text": [["Liza"]]}}],
            "RED",
        ),
        Template(
            "900000000000004",
            "balita",
            "fil",
            "UTILITY",
            "REJECTED",
            [{"type": "BODY", "text": "{{1}}"}],
            "UNKNOWN",
            "INVALID_FORMAT",
        ),
    ]


def find(known: Sequence[Template], asked: Mapping[str, Any]) -> Template:
    """The template that a message names. Raises `GraphError` when it cannot be sent as it is."""
    language = asked.get("language")
    code = str(language.get("code") if isinstance(language, dict) else "")
    name = str(asked.get("name") or "")
    if not name or not code:
        raise GraphError(131008, "Parameters 'name' and 'language' are mandatory for type 'template'")
    found = next((one for one in known if (one.name, one.language) == (name, code)), None)
    if found is not None and found.status == "PAUSED":
        raise GraphError(132015, f"template ({name}) is paused")
    if found is not None and found.status == "DISABLED":
        raise GraphError(132016, f"template ({name}) is disabled")
    if found is None or found.status != "APPROVED":
        raise GraphError(132001, f"template name ({name}) does not exist in {code}")
    return found


def check(template: Template, given: Sequence[Mapping[str, Any]]) -> None:
    """Raises `GraphError` for a number or a kind of parameters that the template does not have."""
    _check_body(template, _parameters(given, "body"))
    _check_header(template, _parameters(given, "header"))
    for number, button in enumerate(template.buttons):
        wanted = len(PLACE.findall(str(button.get("url", "")))) if button["type"] == "URL" else 0
        got = _parameters(given, "button", number)
        if button["type"] == "URL" and len(got) != wanted:
            raise GraphError(132000, _counted(f"button at index {number}", len(got), wanted))


def _check_body(template: Template, got: Sequence[Mapping[str, Any]]) -> None:
    wanted = places(template)
    if len(got) != len(wanted):
        raise GraphError(132000, _counted("body", len(got), len(wanted)))
    for place, one in zip(wanted, got, strict=True):
        if one.get("type") != "text" or not str(one.get("text") or ""):
            raise GraphError(132012, f"body: Parameter {place} of type text is missing text value")
        if not place.isdigit() and one.get("parameter_name") not in wanted:
            raise GraphError(132012, "body: Parameter name is missing or empty")


def _check_header(template: Template, got: Sequence[Mapping[str, Any]]) -> None:
    header = template.component("HEADER")
    kind = str(header.get("format", ""))
    if kind in FILES:
        found = str(got[0].get("type") or "unknown").upper() if got else "UNKNOWN"
        own = got[0].get(kind.lower()) if got else None
        if found != kind or not isinstance(own, dict) or not (own.get("id") or own.get("link")):
            raise GraphError(132012, f"header: Format mismatch, expected {kind}, received {found}")
    wanted = len(PLACE.findall(str(header.get("text", "")))) if kind == "TEXT" else len(got) if kind in FILES else 0
    if len(got) != wanted:
        raise GraphError(132000, _counted("header", len(got), wanted))


def filled(template: Template, given: Sequence[Mapping[str, Any]]) -> str:
    """The text as the customer reads it."""
    parts = [str(template.component("HEADER").get("text", "")), str(template.component("BODY").get("text", ""))]
    for number, kind in enumerate(("header", "body")):
        got = _parameters(given, kind)
        named = {str(one.get("parameter_name") or place): str(one.get("text", "")) for place, one in enumerate(got, 1)}
        parts[number] = PLACE.sub(lambda found, known=named: known.get(found[1], found[0]), parts[number])  # type: ignore[misc]
    return "\n".join(part for part in [*parts, str(template.component("FOOTER").get("text", ""))] if part)


def payload(given: Sequence[Mapping[str, Any]], number: int, default: str) -> str:
    """What a quick reply gives back when it is tapped."""
    return next((str(one["payload"]) for one in _parameters(given, "button", number) if "payload" in one), default)


def _parameters(given: Sequence[Mapping[str, Any]], kind: str, index: int | None = None) -> list[Mapping[str, Any]]:
    for one in given:
        if str(one.get("type", "")).lower() == kind and (index is None or str(one.get("index")) == str(index)):
            return [each for each in one.get("parameters") or [] if isinstance(each, dict)]
    return []


def _counted(where: str, got: int, wanted: int) -> str:
    return f"{where}: number of localizable_params ({got}) does not match the expected number of params ({wanted})"

"""The fields of a sender as a form shows them, and what was typed into them. A secret is never shown again."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from portal.channels.base import Channel, CredentialField
from portal.channels.setup import API_URL, Guide, guide_of

PREFIX = "field-"
REMOVE = "remove-"
# Shorter secrets would be half told by their last four characters.
LONG_ENOUGH = 12


@dataclass(frozen=True, slots=True)
class Typed:
    """What a form said: every field by its name, the secrets among them by themselves, and which are to go."""

    values: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    removed: frozenset[str]
    api_url: str
    name: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form. `kind` is secret, address, lines, choice or text. `kept` says what is known already of a
    secret that need not be typed; `removable`: it may be taken away."""

    name: str
    label: str
    help: str
    kind: str
    required: bool
    secret: bool = False
    value: str = ""
    choices: tuple[str, ...] = ()
    fault: str = ""
    kept: str = ""
    removable: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """`first` are the fields that most people need, `more` the folded ones; `unfold` when one of those is not empty."""

    first: list[Field]
    more: list[Field]
    unfold: bool


def read(channel: Channel, form: "MultiDict[str, str]") -> Typed:
    """What was typed, without the spaces around it."""
    values: dict[str, str] = {}
    secrets: dict[str, str] = {}
    for each in channel.fields:
        typed = form.get(PREFIX + each.name, "").replace("\r\n", "\n").strip()
        (secrets if each.secret else values)[each.name] = typed
    gone = frozenset(each.name for each in channel.fields if REMOVE + each.name in form)
    typed_secrets = {name: value for name, value in secrets.items() if value}
    return Typed(values, typed_secrets, gone, form.get(API_URL, "").strip(), form.get("name", "").strip())


def laid_out(
    channel: Channel,
    typed: Typed,
    faults: Mapping[str, str],
    kept: Mapping[str, str],
    stored: Mapping[str, str] | None = None,
) -> Form:
    """The form. `kept` are the secrets that were typed before and came back sealed, `stored` those of the sender."""
    guide = guide_of(channel)
    first: list[Field] = []
    more: list[Field] = []
    for each in channel.fields:
        shown = _field(each, guide, typed, faults, kept, stored or {})
        (first if each.required or each.name in guide.shown else more).append(shown)
    (first if guide.address else more).append(_address(guide, typed, faults))
    return Form(first, more, any(each.value or each.fault or each.kept for each in more))


def last_four(secret: str) -> str:
    """How a secret is told apart without being told; "" for a short one."""
    return secret[-4:] if len(secret) >= LONG_ENOUGH else ""


def _field(
    each: CredentialField,
    guide: Guide,
    typed: Typed,
    faults: Mapping[str, str],
    kept: Mapping[str, str],
    stored: Mapping[str, str],
) -> Field:
    known = _known(each.name, kept, stored) if each.secret else ""
    return Field(
        name=each.name,
        label=each.label,
        help=each.help,
        kind=_kind(each, guide),
        required=each.required and not known,
        secret=each.secret,
        value="" if each.secret else typed.values.get(each.name, ""),
        choices=each.choices,
        fault=faults.get(each.name, ""),
        kept=known,
        removable=not each.required and bool(stored.get(each.name)) and each.secret,
    )


def _known(name: str, kept: Mapping[str, str], stored: Mapping[str, str]) -> str:
    if typed := kept.get(name, ""):
        if ends := last_four(typed):
            return f"What you typed, which ends in {ends}, is kept: leave this empty to use it."
        return "What you typed is kept: leave this empty to use it."
    if there := stored.get(name, ""):
        if ends := last_four(there):
            return f"What is stored, which ends in {ends}, stays in use while this is empty."
        return "What is stored stays in use while this is empty."
    return ""


def _kind(each: CredentialField, guide: Guide) -> str:
    if each.choices:
        return "choice"
    if each.name in guide.lines:
        return "lines"
    if each.name.endswith("_url"):
        return "address"
    return "secret" if each.secret else "text"


def _address(guide: Guide, typed: Typed, faults: Mapping[str, str]) -> Field:
    told = guide.address or "Only where it is not the provider's public one."
    fault = faults.get(API_URL, "")
    return Field(API_URL, "API address", told, "address", guide.needs_address, value=typed.api_url, fault=fault)

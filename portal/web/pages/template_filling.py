"""The form by which a template is filled in: what it asks, what was typed, and what is wrong with it."""

import hashlib
from typing import Any

from flask import request

from portal.messaging import template_sending, template_texts
from portal.messaging.storable import storable
from portal.messaging.template_forms import Form
from portal.models import TemplateRow
from portal.models.base import new_uuid

# What the form's fields are called: this, then the name of the variable.
FIELD = "v-"
CHOOSE = "Choose a template first."
EDITED = (
    "The template was changed at its provider meanwhile. This is what it says now: look at it again before you send it."
)


def context(rows: list[TemplateRow], raw: str, fault: str) -> dict[str, Any]:
    """What the form shows: the templates to choose from, the one of the id `raw`, and what was typed into it."""
    row = chosen(rows, raw)
    form, given = template_sending.form_of(row) if row is not None else None, values()
    return {
        "rows": rows,
        "row": row,
        "form": form,
        "fields": fields(form, given, judged=bool(fault)) if form else [],
        "shown": template_texts.preview(form, given) if form else None,
        "hints": hints(form, given) if form else [],
        "edition": edition(row) if row is not None else "",
        "fault": fault or (CHOOSE if raw and row is None and rows else ""),
        "key": form_key() or new_uuid(),
    }


def form_key() -> str:
    """The key of the form that came, "" when it has none."""
    return storable(request.form.get("key", ""), 64)


def draft_key(about: object, row: TemplateRow, given: dict[str, str]) -> str:
    """One form that is sent twice is one message; filled in anew, after going back to it, it is another one."""
    told = repr((request.form.get("key", ""), row.id, sorted(given.items())))
    return f"template:{about}:{hashlib.sha256(told.encode()).hexdigest()}"


def edition(row: TemplateRow) -> str:
    """What its form was made of: nobody sends other words than those of the page."""
    return hashlib.sha256(repr(row.components).encode()).hexdigest()


def fields(form: Form, given: dict[str, str], *, judged: bool) -> list[dict[str, str]]:
    """Each blank with its label, what was typed, and what is wrong with it once somebody wanted to send it."""
    wrong = template_texts.faults(form, given) if judged else {}
    return [
        {
            "key": each.key,
            "name": FIELD + each.key,
            "label": template_texts.label(each),
            "example": each.example,
            "value": given.get(each.key, ""),
            "fault": wrong.get(each.key, ""),
        }
        for each in form.blanks
    ]


def hints(form: Form, given: dict[str, str]) -> list[str]:
    """What is wrong already, while the rest is still being typed."""
    found = template_texts.faults(form, given)
    return [sentence for key, sentence in found.items() if given.get(key, "").strip()]


def values() -> dict[str, str]:
    """What was typed, by the names of the variables."""
    return {name.removeprefix(FIELD): storable(value) for name, value in request.form.items() if name.startswith(FIELD)}


def chosen(rows: list[TemplateRow], raw: str) -> TemplateRow | None:
    """The template of that id, among those that may be sent."""
    return next((row for row in rows if str(row.id) == raw), None)

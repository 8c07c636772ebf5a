"""Reading templates: a sender's, filtered, with what a person needs to judge each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.messaging import template_sending, template_texts, templates
from portal.messaging.template_forms import Form
from portal.messaging.template_texts import Preview
from portal.models import Job, TemplateRow
from portal.web.pages.queries.pages import PAGE, Page

GONE = "gone"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which templates a page shows; `before` is how many came on the pages before it."""

    status: str = ""
    category: str = ""
    language: str = ""
    text: str = ""
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One template: `tone` is that of its badge, `why` it cannot be sent, "" when it can."""

    row: TemplateRow
    form: Form
    shown: Preview
    tone: str
    standing: str
    why: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to filter by."""

    statuses: Sequence[str]
    categories: Sequence[str]
    languages: Sequence[str]


def page(session: Session, sender_id: int, wanted: Wanted) -> Page[Line]:
    """By name and language. What is not listed any more is shown only when it is asked for."""
    start = wanted.before or 0
    ordered = _filtered(sender_id, wanted).order_by(TemplateRow.name, TemplateRow.language, TemplateRow.id)
    rows = session.scalars(ordered.offset(start).limit(PAGE + 1)).all()
    return Page([line(row) for row in rows[:PAGE]], start + PAGE if len(rows) > PAGE else None)


def _filtered(sender_id: int, wanted: Wanted) -> Select[Any]:
    found = select(TemplateRow).where(TemplateRow.sender_id == sender_id)
    if wanted.status == GONE:
        found = found.where(TemplateRow.gone_at.is_not(None))
    else:
        found = found.where(TemplateRow.gone_at.is_(None))
    if wanted.status not in ("", GONE):
        found = found.where(TemplateRow.status == wanted.status)
    for column, value in ((TemplateRow.category, wanted.category), (TemplateRow.language, wanted.language)):
        found = found.where(column == value) if value else found
    return found.where(TemplateRow.name.icontains(wanted.text, autoescape=True)) if wanted.text else found


def line(row: TemplateRow) -> Line:
    """A template as a page shows it."""
    form = template_sending.form_of(row)
    why = template_sending.why_not(row)
    return Line(row, form, template_texts.preview(form, {}), _tone(row, why), template_sending.standing(row), why)


def _tone(row: TemplateRow, why: str) -> str:
    if row.gone_at is not None:
        return "plain"
    return "good" if not why else "bad" if row.status in templates.STOPPED else "wait"


def choices(session: Session, sender_id: int) -> Choices:
    """The statuses, categories and languages that the sender's templates have."""
    found = [
        session.scalars(select(column).where(TemplateRow.sender_id == sender_id).distinct().order_by(column)).all()
        for column in (TemplateRow.status, TemplateRow.category, TemplateRow.language)
    ]
    return Choices(*found)


def being_asked(session: Session, sender_id: int) -> bool:
    """Is the provider about to be asked for them?"""
    return (
        session.scalar(select(Job.id).where(Job.kind == templates.KIND, Job.subject == sender_id).limit(1)) is not None
    )

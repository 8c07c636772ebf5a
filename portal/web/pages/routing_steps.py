"""A dry run's questions as steps in words, in the reader's language: a pure reading of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flask_babel import gettext

from portal.messaging.dry_run import Trial
from portal.messaging.routing import Question, Rule
from portal.web.languages import translated

GOOD, BAD, WAIT, PLAIN = "good", "bad", "wait", "plain"
_TITLES = {
    "the conversation's own sender": "Has the conversation a sender of its own?",
    "the line that the contact's tag names": "Does a tag of the contact name a line?",
    "the default sender": "Is there a default sender?",
    "the only sender": "Is there just one sender?",
}
_ASKS = {
    "tag": "Rule: does the contact have the tag {}?",
    "prefix": "Rule: does the number begin with {}?",
    "user": "Rule: does the user {} write it?",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One question, and its answer."""

    title: str
    says: str
    tone: str = PLAIN


def steps(trial: Trial, names: Mapping[int, str]) -> list[Step]:
    """Every question up to the one that decides, how that sender is, and what becomes of the message."""
    return list(_steps(trial, names))


def _steps(trial: Trial, names: Mapping[int, str]) -> Iterator[Step]:
    picked = None
    for question in trial.questions:
        picked = question.sender
        if picked is not None:
            yield Step(_title(question), f"Yes: {picked.name}. The rest is not asked.", GOOD)
            break
        yield Step(_title(question), _no(question.rule, names))
    if picked is None:
        yield Step("Nothing names a sender.", trial.reason or "Nobody can say which one to use.", BAD)
        return
    if picked.well:
        yield Step(f"Can {picked.name} send?", "Yes.", GOOD)
    else:
        yield Step(
            f"Can {picked.name} send?", gettext("It %(what)s.", what=translated(picked.ill or picked.phrase)), WAIT
        )
    if trial.sender_id is not None and trial.sender_id != picked.id:
        other = names.get(trial.sender_id) or gettext("Another")
        yield Step(gettext("%(sender)s stands in.", sender=other), trial.sender_reason, WAIT)
    if trial.sender_id is None:
        tone = WAIT if trial.status == "held" else BAD
        yield Step("May this message go out?", trial.reason or "No.", tone)
    else:
        yield Step("May this message go out?", "Yes: nothing stands in its way.", GOOD)


def _title(question: Question) -> str:
    if question.rule is not None:
        return _ASKS[question.rule.kind].format(question.rule.value)
    return _TITLES.get(question.reason, question.reason)


def _no(rule: Rule | None, names: Mapping[int, str]) -> str:
    if rule is not None and rule.sender_id not in names:
        return "Passed over: its sender was removed."
    return str(gettext("No."))

"""Sentences that people read in their own language: written in English here, translated where they are shown.

What is kept, logged, or told to customers, HighLevel and the API is the English sentence. So a sentence is an ordinary
`str` wherever it goes; `portal.web.languages` looks for its translation when a page shows it.
"""


class Sentence(str):
    """An English sentence that remembers how it was put together, for as long as it stays in the process."""

    pattern: str
    values: dict[str, object]


def noted(sentence: str, **values: object) -> str:
    """The sentence itself; the call says that it is to be translated, so it has to be written out as a literal.

    `values` fill the `{names}` in it, the way `str.format` does: `noted("At most {most} rules.", most=50)`.
    """
    if not values:
        return sentence
    whole = Sentence(sentence.format(**values))
    whole.pattern, whole.values = sentence, values
    return whole

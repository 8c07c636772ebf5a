"""Words that people read in their own language: written in English here, translated where a page shows them.

What is kept, logged, or told to customers, HighLevel and the API is the English text. So it is an ordinary `str`
wherever it goes; `portal.web.languages` looks for its translation when a page shows it.
"""


def noted(words: str) -> str:
    """The words themselves. The call says that they are to be translated, so they have to be a literal.

    Needed for what is no whole sentence: those are found without it (`portal.translations.sentences`).
    """
    return words

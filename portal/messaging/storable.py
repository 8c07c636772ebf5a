"""Text from outside as a database takes it: no NUL, no half of an emoji."""


def storable(text: str, longest: int | None = None) -> str:
    """The text with what no engine stores replaced, cut to a length."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:longest]

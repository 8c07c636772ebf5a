"""The characters of an SMS's cheap alphabet: one that is not in it makes every part hold 70 instead of 160.

3GPP TS 23.038 §6.2.1 and §6.2.1.1. Some providers must be told which of the two a text needs.
"""

GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENSION = frozenset("\f^{}\\[~]|€")
GSM7 = GSM7_BASIC | GSM7_EXTENSION
_GSM_JOINED, _UCS2_JOINED = 153, 67


def is_gsm7(text: str) -> bool:
    """Does the text need no Unicode?"""
    return GSM7.issuperset(text)


def ucs2(text: str) -> bytes:
    """The text as SMS carry it: big-endian, an emoji as two units."""
    return text.encode("utf-16-be", "replace")


def fits(text: str, parts: int) -> bool:
    """Does it surely take at most so many parts of a joined message (153 septets or 67 units each)?

    A pair (`€`, an emoji) is not split over two parts, so each part of a text with pairs may end a unit short.
    """
    if is_gsm7(text):
        pairs = sum(map(text.count, GSM7_EXTENSION))
        return len(text) + pairs <= parts * (_GSM_JOINED - bool(pairs))
    units = len(ucs2(text)) // 2
    return units <= parts * (_UCS2_JOINED - (units > len(text)))

"""Which alphabet a text needs, for gateways that want to be told: GSM 03.38, or UCS-2 for all of it (3GPP 23.038)."""

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")
_GSM = BASIC | EXTENSION
_GSM_JOINED, _UCS2_JOINED = 153, 67


def is_gsm(text: str) -> bool:
    """Can every character be written in GSM 03.38?"""
    return _GSM.issuperset(text)


def ucs2(text: str) -> bytes:
    """The text as SMS carry it: big-endian, an emoji as two units."""
    return text.encode("utf-16-be", "replace")


def fits(text: str, parts: int) -> bool:
    """Does it surely take at most so many parts of a joined message (153 septets or 67 units each)?

    A pair (`€`, an emoji) is not split over two parts, so each part of a text with pairs may end a unit short.
    """
    if is_gsm(text):
        pairs = sum(map(text.count, EXTENSION))
        return len(text) + pairs <= parts * (_GSM_JOINED - bool(pairs))
    units = len(ucs2(text)) // 2
    return units <= parts * (_UCS2_JOINED - (units > len(text)))

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
    """Does it take at most so many parts of a joined message (153 septets or 67 units each)?"""
    if is_gsm(text):
        return len(text) + sum(map(text.count, EXTENSION)) <= parts * _GSM_JOINED
    return len(ucs2(text)) // 2 <= parts * _UCS2_JOINED

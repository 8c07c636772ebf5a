"""The characters of an SMS's cheap alphabet: one that is not in it makes every part hold 70 instead of 160.

3GPP TS 23.038 §6.2.1 and §6.2.1.1. Some providers must be told which of the two a text needs.
"""

GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENSION = frozenset("\f^{}\\[~]|€")
GSM7 = GSM7_BASIC | GSM7_EXTENSION


def is_gsm7(text: str) -> bool:
    """Does the text need no Unicode?"""
    return GSM7.issuperset(text)

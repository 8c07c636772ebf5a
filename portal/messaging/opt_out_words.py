"""The words by which a contact leaves and comes back: what counts as one, and whether a sub-account's own list is good.

The whole message has to be such a word; case, accents, punctuation and emoji around it do not count.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from portal.errors import InvalidInput

# CANCEL counts as an opt-out with carriers and in US law (47 CFR 64.1200), and customers cancel appointments with it: a
# sub-account may take it off its list. Its translations are left out, which nobody but an agency prescribes, and so are
# words that are everyday answers somewhere (pare, basta, acha, seis, alto, dur).
STOP_WORDS = (
    # English: what carriers ask for, and what people write
    *("STOP", "STOPALL", "STOP ALL", "STOP SMS", "STOP MSG", "STOP NOW", "PLEASE STOP", "STOP PLEASE", "STOP IT"),
    *("STOP TEXTING", "STOP TEXTING ME", "STOP MESSAGES", "STOP MESSAGING", "STOP MESSAGING ME", "UNSUBSCRIBE"),
    *("UNSUBSCRIBE ME", "UNSUB", "CANCEL", "END", "QUIT", "REVOKE", "REMOVE", "REMOVE ME", "OPTOUT", "OPT OUT"),
    *("ARRÊT", "ARRÊTER", "ARRÊTEZ", "DÉSABONNER", "DÉSINSCRIRE", "DÉSINSCRIPTION"),  # French
    *("BAJA", "DAR DE BAJA", "DARME DE BAJA", "DARSE DE BAJA", "PARAR", "DETENER", "NO MÁS MENSAJES"),  # Spanish
    *("SAIR", "DESCADASTRAR", "REMOVER", "DESINSCREVER", "PARAR DE RECEBER"),  # Portuguese
    *("BAIXA", "DONAR DE BAIXA"),  # Catalan
    *("STOPP", "ABMELDEN", "ABBESTELLEN", "ENDE", "AUSTRAGEN"),  # German; Swedish and Norwegian write STOPP too
    *("FERMA", "DISISCRIVI", "DISISCRIVIMI", "DISISCRIZIONE", "SMETTI"),  # Italian
    *("AFMELDEN", "UITSCHRIJVEN", "STOPPEN"),  # Dutch
    *("WYPISZ", "WYPISZ MNIE", "KONIEC", "ZATRZYMAJ"),  # Polish
    *("СТОП", "ОТПИСАТЬСЯ", "ОТПИСКА", "ОТПИШИТЕ МЕНЯ", "НЕ ПИШИТЕ МНЕ"),  # Russian; СТОП in Bulgarian and Serbian too
    *("ВІДПИСАТИСЯ", "ВІДПИСКА"),  # Ukrainian
    *("ОТПИШИ МЕ", "ОДЈАВА", "ODJAVA", "ODJAVI ME"),  # Bulgarian, Serbian, Croatian
    *("ODHLÁSIT", "ODHLÁSIŤ", "KONEC"),  # Czech, Slovak
    *("LEIRATKOZÁS", "LEIRATKOZOM"),  # Hungarian
    *("DEZABONARE", "DEZABONEAZĂ", "OPREȘTE"),  # Romanian
    *("AVSLUTA", "AVREGISTRERA", "AFMELD", "FRAMELD", "AVMELD", "LOPETA", "PERUUTA TILAUS"),  # Nordic languages
    *("ΣΤΟΠ", "ΔΙΑΓΡΑΦΗ"),  # Greek
    *("HINTO", "IHINTO", "ITIGIL", "TIGIL", "TIGILAN"),  # Filipino
    *("BERHENTI", "BERHENTI LANGGANAN", "HENTIKAN", "HENTI"),  # Indonesian, Malay
    *("RET", "DURDUR", "ABONELİKTEN ÇIK", "ÜYELİKTEN ÇIK"),  # Turkish
    *("توقف", "إيقاف", "قف", "إلغاء الاشتراك"),  # Arabic
    *("لغو عضویت", "بند کرو", "بند کریں"),  # Persian, Urdu
    *("बंद करो", "बंद करें", "रोकें", "সাবস্ক্রিপশন বন্ধ", "বন্ধ করুন"),  # Hindi, Bengali
    *("הסר", "הסרה", "הסירו אותי"),  # Hebrew
    *("退订", "退訂", "取消订阅", "取消訂閱", "停止", "TD"),  # Chinese
    *("配信停止", "ストップ", "수신거부", "중지"),  # Japanese, Korean
    *("HỦY ĐĂNG KÝ", "NGỪNG NHẬN TIN", "หยุด", "ยกเลิกการรับข้อความ"),  # Vietnamese, Thai
)
START_WORDS = (
    *("START", "UNSTOP", "YES START", "SUBSCRIBE", "RESUBSCRIBE", "OPTIN", "OPT IN"),
    *("DÉMARRER", "REPRENDRE", "RÉABONNER", "DARME DE ALTA", "REANUDAR", "INICIAR", "COMEÇAR", "INSCREVER"),
    *("STARTEN", "INIZIA", "AVVIA", "RIATTIVA", "WZNÓW", "ODNOWA", "СТАРТ", "ПОДПИСАТЬСЯ", "ПІДПИСАТИСЯ"),
    *("SIMULA", "SIMULAN", "MULAI", "BAŞLAT", "ابدأ", "اشتراك", "शुरू", "शुरू करें", "শুরু করুন"),
    *("הצטרף", "订阅", "訂閱", "配信再開", "再開", "수신동의", "ĐĂNG KÝ", "เริ่ม"),
)
REQUIRED = "STOP"
MOST_WORDS = 200
LONGEST = 60

# Accents of Latin, Greek and Cyrillic letters, and Arabic's vowel signs and hamza forms, which many do not type.
# Other scripts' signs are part of the letter.
_ACCENTS = frozenset(map(chr, (*range(0x300, 0x370), *range(0x64B, 0x656), 0x670)))
_SAME = str.maketrans({"ı": "i", "đ": "d", "ø": "o", "ł": "l", "ـ": None})
# Joiners, direction marks and the selectors of emoji styles: nobody sees them.
_UNSEEN = frozenset(map(chr, (0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)))
_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), 0x20E3)))


class Said(Enum):
    """What a message that is such a word asks for."""

    STOP = "stop"
    START = "start"


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a sub-account, as `plain` writes them."""

    stop: frozenset[str]
    start: frozenset[str]

    def judge(self, text: str) -> Said | None:
        """Is the whole message one of the words? Where a word is in both lists, the contact is left alone."""
        if len(text) > 4 * LONGEST:
            return None
        said = plain(text)
        if said in self.stop:
            return Said.STOP
        return Said.START if said in self.start else None


def plain(text: str) -> str:
    """A message as the lists know it: folded case, no accents, single spaces, nothing but letters and digits.

    A word that is repeated ("stop stop!!") counts once. "" when nothing is left.
    """
    kept = []
    for character in unicodedata.normalize("NFKD", text.casefold().translate(_SAME)):
        if character in _ACCENTS or character in _UNSEEN or character in _SELECTORS:
            continue
        kept.append(character if unicodedata.category(character)[0] in "LNM" else " ")
    found = "".join(kept).split()
    if len(set(found)) == 1:
        return found[0]
    return " ".join(found)


def words_of(stop: str | None, start: str | None) -> Words:
    """The words of a sub-account's own lists, one a line; None stands for the usual ones."""
    return _words(stop, start)


@lru_cache(maxsize=256)
def _words(stop: str | None, start: str | None) -> Words:
    return Words(_plain_all(_listed(stop, STOP_WORDS)), _plain_all(_listed(start, START_WORDS)))


def shown(own: str | None, usual: Iterable[str]) -> str:
    """A list as its form shows it, one word or phrase a line."""
    return "\n".join(_listed(own, usual))


def checked(stop: str, start: str) -> tuple[str | None, str | None]:
    """Two lists that a person wrote, one word or phrase a line, as they are kept. An empty one is the usual one: None.

    Raises `InvalidInput` with what is wrong.
    """
    own_stop, own_start = _clean(stop), _clean(start)
    words = words_of(own_stop, own_start)
    if plain(REQUIRED) not in words.stop:
        raise InvalidInput(f"{REQUIRED} has to stay on the list: carriers and laws ask for it.")
    both = sorted(words.stop & words.start)
    if both:
        raise InvalidInput(f"A word cannot end messages and begin them: {', '.join(both)}.")
    return own_stop, own_start


def _clean(text: str) -> str | None:
    lines = list(dict.fromkeys(" ".join(line.split()) for line in text.splitlines() if line.strip()))
    if len(lines) > MOST_WORDS:
        raise InvalidInput(f"A list takes at most {MOST_WORDS} words.")
    for line in lines:
        if len(line) > LONGEST:
            raise InvalidInput(f"“{line[:LONGEST]}…” is longer than {LONGEST} characters.")
        if not plain(line):
            raise InvalidInput(f"“{line}” has no letter and no digit: no message would match it.")
    return "\n".join(lines) or None


def _listed(own: str | None, usual: Iterable[str]) -> list[str]:
    return list(usual) if own is None else [line.strip() for line in own.splitlines() if line.strip()]


def _plain_all(words: Iterable[str]) -> frozenset[str]:
    return frozenset(filter(None, map(plain, words)))

"""Words that end messages and begin them: as the whole message, however they are dressed, and in no other way."""

import pytest

from portal.errors import InvalidInput
from portal.messaging.opt_out_words import START_WORDS, STOP_WORDS, Said, checked, plain, shown, words_of

USUAL = words_of(None, None)


@pytest.mark.parametrize("word", STOP_WORDS)
def test_every_word_of_the_list_ends_messages(word):
    for dressed in (word, word.lower(), word.title(), f"  {word} !!!", f"“{word}.”", f"{word} 🛑🙏🏽", f"*{word}*\n"):
        assert USUAL.judge(dressed) is Said.STOP, dressed


@pytest.mark.parametrize("word", START_WORDS)
def test_every_word_of_the_other_list_begins_them(word):
    for dressed in (word, word.lower(), f"{word}!", f"👍 {word}"):
        assert USUAL.judge(dressed) is Said.START, dressed


@pytest.mark.parametrize(
    "text",
    [
        "ARRET", "arrêt", "Arre\u0302t", "ｓｔｏｐ", "Stop stop STOP", "Opt-Out", "opt_out", "Stop\u200b", "stop?",
        "\u202bتوقف\u202c", "ايقاف", "إيقــاف", "ABONELIKTEN CIK", "odhlasit", "стоп", "StOp❗️",
    ],
)  # fmt: skip
def test_how_people_write_them(text):
    assert USUAL.judge(text) is Said.STOP


@pytest.mark.parametrize(
    "text",
    [
        "", "🛑", "...", "Please stop by at ten", "Don't stop", "nonstop", "STOPSIGN", "I want to unsubscribe my dog",
        "stop it now ok", "The end", "Cancel my appointment", "CANCELAR", "annuler", "stornieren", "batal", "iptal",
        "pare", "basta", "acha", "seis", "HELP", "info", "YES", "ok", "no", "stop " * 200,
    ],
)  # fmt: skip
def test_what_is_none(text):
    assert USUAL.judge(text) is None


def test_the_usual_lists_do_not_meet_and_every_word_has_letters():
    assert not USUAL.stop & USUAL.start
    assert all(plain(word) for word in (*STOP_WORDS, *START_WORDS))


def test_a_list_of_ones_own_stands_for_the_usual_one():
    own = words_of("STOP\nCANCEL\n\n  genug jetzt ", None)
    assert [own.judge(text) for text in ("cancel", "Genug  jetzt!", "stop", "quit")] == [Said.STOP] * 3 + [None]
    assert own.judge("start") is Said.START
    assert words_of(None, "WEITER").judge("start") is None
    assert words_of("STOP", "STOP").judge("stop") is Said.STOP, "in doubt the contact is left alone"


def test_a_list_is_kept_as_it_was_written():
    stop, start = checked(" STOP \r\nCancel\nCancel\n\ngenug   jetzt", "  \n")
    assert (stop, start) == ("STOP\nCancel\ngenug jetzt", None)
    assert shown(stop, STOP_WORDS) == stop and shown(None, ["A", "B"]) == "A\nB"
    assert checked("", "") == (None, None)


@pytest.mark.parametrize(
    ("stop", "start", "says"),
    [
        ("CANCEL", "", "STOP has to stay"),
        ("STOP\n!!!", "", "no letter"),
        ("STOP\n" + "x" * 61, "", "longer than 60"),
        ("STOP\n" + "\n".join(f"word{n}" for n in range(200)), "", "at most 200"),
        ("STOP\nGo", "go!", "cannot end messages and begin them: go"),
        ("STOP\nstart", "", "start"),
    ],
)
def test_a_bad_list_is_refused_with_the_reason(stop, start, says):
    with pytest.raises(InvalidInput) as caught:
        checked(stop, start)
    assert says in caught.value.message

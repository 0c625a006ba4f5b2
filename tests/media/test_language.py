import pytest

from pipeline.media.language import line_language, normal_code, script_of, transcript_language


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("zh-Hant-TW", "zh"), ("chi", "zh"), ("zho", "zh"), ("cmn", "zh"), ("Chinese", "zh"), ("en_GB", "en"),
        ("eng", "en"), ("jpn", "ja"), ("und", None), ("", None), (None, None), ("sv", "sv"),
    ],
)  # fmt: skip
def test_codes(given: str | None, expected: str | None) -> None:
    assert normal_code(given) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("不用管說現在是銅牌 銀牌", "han"),
        ("我最喜歡の歌曲是這一首", "han"),
        ("東京大学です", "kana"),
        ("ラーメン", "kana"),
        ("안녕하세요", "hangul"),
        ("Привет", "cyrillic"),
        ("مرحبا", "arabic"),
        ("so glad", "latin"),
        ("我用 Whisper 來聽", "han"),
        ("OK 👍", "latin"),
        ("1234 …!", None),
        ("😭😭", None),
    ],
)
def test_scripts(text: str, expected: str | None) -> None:
    assert script_of(text) == expected


@pytest.mark.parametrize(
    ("text", "transcript", "expected"),
    [
        ("Yes.", "en", "en"),
        ("Oh no!", "zh", "en"),
        ("然后呢", "en", "zh"),
        ("東京大学", "ja", "ja"),
        ("東京大学です", "zh", "ja"),
        ("Привет", "uk", "uk"),
        ("Привет", "en", "ru"),
        ("안녕하세요", "zh", "ko"),
        ("…", "zh", "zh"),
        ("…", None, None),
        ("Ja, genau.", "de", "de"),
    ],
)
def test_a_line_keeps_the_transcript_s_language_where_its_script_allows(
    text: str, transcript: str | None, expected: str | None
) -> None:
    assert line_language(text, transcript) == expected


def test_a_transcript_in_latin_script_is_told_by_its_spelling() -> None:
    german = ["Das habe ich dir doch gestern schon gesagt.", "Warum hörst du mir nie zu?", "Ja."]
    english = ["I told you that yesterday.", "Why do you never listen to me?", "Yes."]
    assert transcript_language(german) == "de"
    assert transcript_language(english) == "en"
    assert transcript_language(["Yes."]) == "en"
    assert transcript_language(german, "en-US") == "en"
    assert transcript_language(["...", "♪"]) is None
    # What langid takes for no language at all.
    assert transcript_language([f"word {i}" for i in range(200)]) == "en"

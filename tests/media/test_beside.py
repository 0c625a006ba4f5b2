import unicodedata
from pathlib import Path

import pytest

from pipeline.media.beside import SubtitleName, find_beside, preference, track_of


@pytest.mark.parametrize(
    ("beside", "chosen"),
    [
        (["talk.srt"], "talk.srt"),
        (["talk.ass", "talk.vtt"], "talk.vtt"),
        (["talk.zh.srt", "talk.ass"], "talk.ass"),
        (["talk.zh-Hans.srt"], "talk.zh-Hans.srt"),
        (["talk.SRT"], "talk.SRT"),
        (["TALK.Srt"], "TALK.Srt"),
        (["talk.mp4.srt"], "talk.mp4.srt"),
        (["talk.wav.srt"], "talk.wav.srt"),
        (["talk.mp4.en.srt"], "talk.mp4.en.srt"),
        (["talk.mp4.srt", "talk.srt"], "talk.srt"),
        (["talk.en.sdh.srt"], "talk.en.sdh.srt"),
        (["talk.en.sdh.srt", "talk.en.srt"], "talk.en.srt"),
        (["talk.en-forced.srt", "talk.zh.srt"], "talk.zh.srt"),
        (["talk.en.forced.srt", "talk.fr.sdh.srt"], "talk.fr.sdh.srt"),
        (["talk.forced.srt"], "talk.forced.srt"),
        (["talk.English.srt"], "talk.English.srt"),
        (["talk_en.srt"], "talk_en.srt"),
        (["talk2.srt", "talk.part two.srt", "other.srt", "talk.txt", "talks.en.srt", "talk.teil.srt"], None),
        (["day_one.srt", "talk_one.srt", "talk-bye.srt", "talk-is-it.srt", "talk - we go.srt"], None),
        (["talk.is.it.srt", "talk_way.srt", "talk en.srt", "talk en.mp4.srt", "talk.new.srt"], None),
        (["talk.pol.srt"], "talk.pol.srt"),
        (["talk.Polish.srt"], "talk.Polish.srt"),
        (["talk (en).srt"], "talk (en).srt"),
        (["talk[zh-TW].srt"], "talk[zh-TW].srt"),
        (["talk.pt-br.srt"], "talk.pt-br.srt"),
        (["talk.zh-Hant-HK.srt"], "talk.zh-Hant-HK.srt"),
        (["talk.es-419.srt"], "talk.es-419.srt"),
        (["talk.en.2.srt"], "talk.en.2.srt"),
        (["talk_no.mp4", "talk_no.srt"], None),
        (["talk.en.MKV", "talk.en.srt", "talk.en.sdh.srt"], None),
        (["talk.mkv", "talk.srt"], "talk.srt"),
        (["talk_no.mp4", "talk.en.srt"], "talk.en.srt"),
        ([], None),
    ],
)
def test_names(beside: list[str], chosen: str | None, tmp_path: Path) -> None:
    for name in beside:
        (tmp_path / name).touch()
    choice = find_beside(tmp_path / "talk.mp4")
    assert (choice.path.name if choice else None) == chosen


@pytest.mark.parametrize(
    ("beside", "languages", "chosen", "says"),
    [
        (["talk.en.srt", "talk.zh.srt"], ("zh", None), "talk.zh.srt", "the language asked for"),
        (["talk.en.srt", "talk.zh.srt"], ("zh", "en"), "talk.zh.srt", "the language asked for"),
        (["talk.en.srt", "talk.zh.srt"], (None, "chi"), "talk.zh.srt", "the language of the sound"),
        (["talk.en.srt", "talk.zh.srt", "talk.srt"], (None, None), "talk.srt", "nearest to the film's"),
        (["talk.en.srt", "talk.srt"], ("zh", None), "talk.srt", "not talk.en.srt"),
        (["talk.zh-Hant.srt", "talk.zh-forced.srt"], ("zh", None), "talk.zh-Hant.srt", "talk.zh-forced.srt"),
        (["talk.en.srt", "talk.zh.forced.srt"], ("zh", None), "talk.en.srt", "No subtitle file in zh"),
        (["talk.en.srt"], ("zh", None), "talk.en.srt", "No subtitle file in zh"),
        (["talk.en.srt"], (None, None), "talk.en.srt", ""),
        (["talk.mp4.en.sdh.srt"], (None, None), "talk.mp4.en.sdh.srt", ""),
        (["talk_to.srt"], (None, None), "talk_to.srt", "talk_to.srt is read"),
    ],
)
def test_of_several_the_language_decides_and_that_is_said(
    beside: list[str], languages: tuple[str | None, str | None], chosen: str, says: str, tmp_path: Path
) -> None:
    for name in beside:
        (tmp_path / name).touch()
    choice = find_beside(tmp_path / "talk.mp4", *languages)
    assert choice is not None
    assert choice.path.name == chosen
    assert says in choice.note and bool(says) == bool(choice.note)


def test_a_name_full_of_patterns(tmp_path: Path) -> None:
    (tmp_path / "a[1]*?.srt").touch()
    choice = find_beside(tmp_path / "a[1]*?.mp4")
    assert choice is not None and choice.path == tmp_path / "a[1]*?.srt"


@pytest.mark.parametrize(("film", "beside"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_composed_or_not(film: str, beside: str, tmp_path: Path) -> None:
    name = unicodedata.normalize(beside, "Gespräch é.zh.srt")  # type: ignore[arg-type]
    (tmp_path / name).touch()
    choice = find_beside(tmp_path / unicodedata.normalize(film, "Gespräch é.mp4"))  # type: ignore[arg-type]
    assert choice is not None and choice.path.name == name


def test_beside_the_link_then_beside_its_target(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "film.mp4").touch()
    (tmp_path / "real" / "film.srt").touch()
    link = tmp_path / "talk.mp4"
    link.symlink_to(tmp_path / "real" / "film.mp4")
    choice = find_beside(link)
    assert choice is not None and choice.path == tmp_path / "real" / "film.srt"
    (tmp_path / "talk.srt").touch()
    choice = find_beside(link)
    assert choice is not None and choice.path == tmp_path / "talk.srt"


def test_what_a_name_says() -> None:
    assert track_of("talk.en.sdh.srt", "talk") == SubtitleName("en", hearing_impaired=True)
    assert track_of("talk.en.hi.srt", "talk") == SubtitleName("en", hearing_impaired=True)
    assert track_of("talk.hi.srt", "talk") == SubtitleName("hi")
    assert track_of("talk.forced.en.srt", "talk") == SubtitleName("en", forced=True)
    assert track_of("talk.srt", "talk") == SubtitleName(None, default=True)
    assert track_of("talk.srt", "other") is None


def test_a_default_track_comes_first_and_a_forced_one_last() -> None:
    full, forced = SubtitleName("eng", default=True), SubtitleName("eng", forced=True)
    assert sorted([forced, SubtitleName("eng"), full], key=lambda t: preference(t, None, None)) == [
        full,
        SubtitleName("eng"),
        forced,
    ]
    assert (
        preference(SubtitleName("zh"), "zh", "en")
        < preference(full, "zh", "en")
        < preference(SubtitleName("fr"), "zh", "en")
    )

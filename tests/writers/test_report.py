import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.types import Abstention, Analysis, Span, Utterance
from pipeline.writers import report
from pipeline.writers.report import html
from pipeline.writers.report.card import card
from pipeline.writers.report.page import page
from pipeline.writers.report.spread import spreads
from tests.writers.conftest import HOSTILE, LINES, with_posture, written

VOID = {"meta", "br", "link", "img", "input"}


SCRIPT = re.compile(r"<script>.*?</script>", re.DOTALL)


class Reader(HTMLParser):
    """The elements, attributes and text of a page; raises when an element is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def test_one_file_without_a_network(analysis: Analysis, tmp_path: Path) -> None:
    report.run(written(analysis, tmp_path / "in"), None, tmp_path, lambda fraction: None)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    reader = Reader(text)
    links = [value for name, value in reader.attributes if name in ("src", "href") and value]
    assert [link for link in links if not link.startswith("#")] == ["annotated.mp4"]
    without_scripts = SCRIPT.sub("", text)
    assert "://" not in without_scripts and "@import" not in text and "url(" not in without_scripts


def test_hostile_text_stays_text(analysis: Analysis) -> None:
    lines = tuple(replace(u, text=HOSTILE, language=HOSTILE) for u in analysis.transcript.utterances)
    moments = tuple(replace(m, utterance=Utterance(m.span, HOSTILE, None, HOSTILE)) for m in analysis.moments)
    wild = replace(
        analysis,
        name=HOSTILE,
        transcript=replace(analysis.transcript, utterances=lines),
        moments=moments,
        conflicts=tuple(replace(c, label=HOSTILE, words=HOSTILE) for c in analysis.conflicts),
        models={"face": replace(analysis.models["face"], id=HOSTILE, licence=HOSTILE, revision=HOSTILE)},
        warnings=(HOSTILE,),
    )
    clean, dirty = Reader(html(replace(wild, name="x"))), Reader(html(wild))
    assert dirty.tags.count("script") == 4 and dirty.tags == clean.tags
    assert dirty.words.count("alert('x')") >= 5 + 2 * 3 + 3


def test_the_page_is_the_same_twice(analysis: Analysis) -> None:
    assert html(analysis) == html(analysis)


def test_every_conflict_has_a_card_that_seeks(analysis: Analysis) -> None:
    text = html(analysis)
    seeks = re.findall(r'<article.*?data-seek="([\d.]+)"', text, re.DOTALL)
    assert seeks == ["0.000", "0.000", "0.900"]
    assert text.count("plainest at") == 3
    assert "maybe tears of joy" in Reader(text).words


def test_every_moment_has_its_row(analysis: Analysis) -> None:
    lines = page(analysis).lines
    assert [line.content for line in lines if line.content] == [
        u.text for u in analysis.transcript.utterances
    ]
    assert [line.ranks for line in lines] == [(1, 2), (2,), (), (3,), ()]
    assert [chip.text for chip in lines[2].chips] == ["no face", "silence", "no transcript", "unknown"]


def test_the_summary_can_be_read_aloud(analysis: Analysis) -> None:
    assert page(analysis).summary == (
        "The video lasts 0:03.0. An emotion could be read in this share of it: "
        "face 55%, voice 35%, words 45%.",
        "2 moments were found where they may contradict each other; the one with the most evidence at "
        "0:00.0: face (P1) sad and words happy, maybe tears of joy.",
        "The chance that they really do there is 70%, if the models are as good as measured.",
        "In 1 more, one stayed neutral while another showed an emotion.",
        "If what they show had nothing to do with each other in time, "
        "fewer than 0.1 such moments would be expected here by chance.",
    )


def test_one_moment_is_not_called_the_strongest(analysis: Analysis) -> None:
    one = page(replace(analysis, conflicts=analysis.conflicts[2:])).summary[1]
    assert one.startswith("One moment was found where they may contradict each other, at 0:00.0: face (P1)")


def test_it_says_how_much_of_what_was_found_chance_explains(analysis: Analysis) -> None:
    for rate, said in (
        (60.0, "so all of them may"),
        (30.0, "so most of them may"),
        (8.0, "so some of them may"),
    ):
        assert said in page(replace(analysis, false_alarms_per_minute=rate)).summary[-1]
    calm = replace(analysis, conflicts=(), false_alarms_per_minute=60.0)
    assert "No moment was found" in page(calm).summary[1] and "may be chance" not in page(calm).summary[-1]


def test_masking_alone_is_not_more_of_anything(analysis: Analysis) -> None:
    calm = page(replace(analysis, conflicts=analysis.conflicts[:1])).summary
    assert calm[1].startswith(
        "No moment was found where they contradict each other; two of them or more could"
    )
    assert calm[2] == "In 1 moment, one stayed neutral while another showed an emotion."


def test_nothing_compared_is_not_nothing_found(analysis: Analysis) -> None:
    whole = Span(0, analysis.media.duration_us)
    out = (Abstention(whole, ("text",), "no_transcript"), Abstention(whole, ("voice",), "silence"))
    mute = replace(analysis, conflicts=(), false_alarms_per_minute=None, abstentions=out)
    said = "Nothing could be compared, because words: no transcript; voice: silence."
    assert page(mute).summary[1] == page(mute).nothing == said
    assert said in Reader(html(mute)).words and "No moment was found" not in html(mute)
    alone = replace(mute, modalities=("face",), abstentions=())
    assert "there are not two channels to compare" in page(alone).nothing
    assert "because nothing was read" in page(replace(mute, moments=(), fused=(), abstentions=())).nothing


def test_only_a_probability_is_known_not_how_strong_a_feeling_is(analysis: Analysis) -> None:
    words = Reader(html(analysis)).words.replace("strong evidence", "").replace("strong,", "")
    assert "strong emotion" not in words and "one strong" not in words
    assert "was measured by" not in words and "estimate" in words


@pytest.mark.parametrize("what", ["models", "conflicts", "moments", "film"])
def test_what_is_missing_leaves_a_whole_page(analysis: Analysis, what: str) -> None:
    less = {
        "models": replace(analysis, models={}, warnings=()),
        "conflicts": replace(analysis, conflicts=(), false_alarms_per_minute=None),
        "moments": replace(analysis, moments=(), fused=(), observations={}, modalities=()),
        "film": replace(analysis, media=replace(analysis.media, has_video=False)),
    }[what]
    assert ("video" in Reader(html(less)).tags) == (what != "film")


def test_a_fourth_modality_appears(analysis: Analysis) -> None:
    words = Reader(html(with_posture(analysis))).words
    assert words.count("posture") >= 3 and "fear 51%" in words


def test_models_and_licences_are_named(analysis: Analysis) -> None:
    words = Reader(html(analysis)).words
    assert "face_compact" in words and "MIT" in words and "abababababab" in words
    assert (
        "right in 14%, the mean over the seven emotions, on 3,211 examples of FER+ dev" in words
        and "its evidence is discounted" in words
    )


def test_a_card_explains_itself(analysis: Analysis) -> None:
    text = html(analysis)
    articles = re.findall(r"<article.*?</article>", text, re.DOTALL)
    words = Reader(articles[0]).words
    for part in (
        "face (P1) sad 70% words happy 91% maybe tears of joy",
        LINES[0][2],
        "evidence Bayes factor 7.2: positive evidence",
        "chance that they really differ 70%, if the models are as good as measured "
        "(before anything was seen: 1%)",
        "how far apart 0.82 (strength",
        "read as one emotion happy 51% without face (P1) happy 66% without voice happy 55% "
        "without words sad 70%",
        "why this reading words: happy + other: angry or sad",
        "not flagged if face counted at most 60% as much or words counted for nothing",
    ):
        assert part in words
    assert re.findall(r'data-seek="([\d.]+)">▶ ([^<]+)', articles[2]) == [
        ("0.900", "0:01.9–0:02.7"),
        ("1.000", "plainest at 0:02.0"),
    ]
    assert "why this reading" not in Reader(articles[1]).words


def test_the_player_starts_before_the_plainest_frame_and_not_before_the_film(analysis: Analysis) -> None:
    spread = spreads(analysis)
    early, late = (replace(analysis.conflicts[0], best_us=at) for at in (300_000, 2_500_000))
    assert card(1, early, analysis.media, spread, {}).best_seek == "0.000"
    assert card(1, late, analysis.media, spread, {}).best_seek == "1.500"
    assert card(1, replace(late, best_us=None), analysis.media, spread, {}).best == ""


def test_what_was_not_compared_and_how_strictly_it_was_counted(analysis: Analysis) -> None:
    found = page(analysis)
    assert [(row.names, row.reason, row.lasts, row.share) for row in found.skipped[:2]] == [
        ("face with voice", "this face is not the one that is heard", "1.0 s", "33%"),
        ("face", "no face", "0.5 s", "17%"),
    ]
    assert found.trust == (
        ("conflicts found", "2 (and 1 of masking, not counted)"),
        ("expected by chance", "fewer than 0.1 in this video (0.40 a minute)"),
        ("counted from", "Bayes factor 4.0, raised from 3.0 to keep the alarms by chance down"),
    )
    calm = page(replace(analysis, operating_point=0.75, abstentions=(), false_alarms_per_minute=None))
    assert calm.trust[1:] == (
        ("expected by chance", "too little material to tell"),
        ("counted from", "Bayes factor 3.0, as set"),
    )
    assert "Everything was compared." in html(replace(analysis, abstentions=()))

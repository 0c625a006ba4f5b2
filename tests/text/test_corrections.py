"""What of a corrected transcript is the person's, and what is still known of the lines that stayed."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.media.cues import Cue
from pipeline.media.subtitles import parse_whole
from pipeline.models.cards import shipped_card
from pipeline.text.corrections import CORRECTIONS, Correction, Edited, corrected, lost_letters, within
from pipeline.text.quality import source_quality
from pipeline.types import Span, Status, Transcript, Utterance, Word
from pipeline.writers.captions import COLUMNS, srt, utterance_rows, vtt
from pipeline.writers.table import write_sheet

S = 1_000_000


def line(start_us: int, end_us: int, text: str, speaker: str | None = None) -> Utterance:
    """A recognised line whose words are spread over it."""
    parts = text.split() or [text]
    step = (end_us - start_us) // len(parts)
    words = tuple(
        Word(Span(start_us + i * step, start_us + (i + 1) * step), part, 0.5 + i / 100)
        for i, part in enumerate(parts)
    )
    return Utterance(
        Span(start_us, end_us), text, "en", "faster-whisper", words, -0.3, 0.1, 1.1, speaker, 0.75
    )


def transcript(*lines: Utterance) -> Transcript:
    return Transcript(lines, Status.OK, "faster-whisper", "en", note="recognised", losses=("lost",))


def written(name: str, utterances, folder) -> bytes:
    """The bytes of one of the three files."""
    if name == "srt":
        return srt(utterances).encode()
    if name == "vtt":
        return vtt(utterances).encode()
    write_sheet(folder / "transcript.csv", COLUMNS, utterance_rows(utterances))
    return (folder / "transcript.csv").read_bytes()


ANNA = line(0, 2 * S, "so how was it", "Anna")
BOB = line(2 * S, 4 * S, "we one the final", "Bob")
LAST = line(5 * S, 7 * S, "thank you all", "Anna")
BEFORE = transcript(ANNA, BOB, LAST)
CUES = tuple(Cue(u.span.start_us, u.span.end_us, u.text, speaker=u.speaker) for u in BEFORE.utterances)


def made(*cues: Cue, names_speakers: bool = False, original: Transcript = BEFORE):
    return corrected(Edited(cues, names_speakers), BEFORE, original)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)
HOSTILE = st.sampled_from(
    [
        "=SUM(A1)",
        "'-5 degrees",
        "a\\Nb \\h {\\p1}m{b}",
        "<v Eve>no</v> &amp; <i>x</i>",
        "7",
        "1\n00:00:01,000 --> 00:00:02,000\nfake",
        "NOTE this",
        'say "so", then;\t|',
        "WEBVTT",
        "＝1",
        "Start_Time,End_Time,Content",
        "é e\u0301",
    ]
)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3 * S), st.integers(2_000, 3 * S), TEXTS | HOSTILE, st.none() | TEXTS | HOSTILE
        ),
        min_size=1,
        max_size=6,
    )
)
@pytest.mark.parametrize("name", ["srt", "vtt", "csv"])
def test_a_file_as_it_was_written_corrects_nothing(name, tmp_path_factory, rows):
    at, lines = 0, []
    for gap_us, length_us, text, speaker in rows:
        lines.append(line(at + gap_us, at + gap_us + length_us, f"so {text}", speaker))
        at += gap_us + length_us
    before = transcript(*lines)
    data = written(name, before.utterances, tmp_path_factory.getbasetemp())
    cues, names_speakers = parse_whole(data, name)
    result = corrected(Edited(cues, names_speakers), before, before)
    assert (result.differ, result.gone) == (0, 0)
    assert result.transcript.utterances == before.utterances


def test_a_line_that_was_written_anew_has_no_words_and_counts_as_subtitles():
    result = made(CUES[0], replace(CUES[1], text="we <i>won</i> the final"), CUES[2])
    first, second, third = result.transcript.utterances
    assert (first, third) == (ANNA, LAST)
    assert second == Utterance(BOB.span, "we won the final", "en", "file", speaker="Bob")
    assert source_quality(second) == 1.0 > source_quality(first)
    assert (result.differ, result.gone) == (1, 0)
    assert result.transcript.note == "Corrected by hand: 1 of 3 lines differ."
    assert (result.transcript.source, result.transcript.losses) == ("faster-whisper", ())


def test_lines_merged_left_out_and_added():
    merged = Cue(0, 4 * S, "so how was it? we won the final")
    added = Cue(8 * S, 9 * S, "bye")
    result = made(merged, added)
    assert [u.text for u in result.transcript.utterances] == [merged.text, "bye"]
    assert (result.differ, result.gone) == (2, 1)
    assert result.transcript.note.endswith("2 of 2 lines differ, 1 line left out.")


@pytest.mark.parametrize(("end_us", "words"), [(7 * S, 3), (8 * S, 3), (7 * S - 900, 3), (6 * S, 0)], ids=str)
def test_a_line_at_another_time_keeps_the_words_that_lie_in_it(end_us, words):
    result = made(*CUES[:2], replace(CUES[2], end_us=end_us))
    moved = result.transcript.utterances[2]
    is_same = abs(end_us - 7 * S) <= 1000
    assert moved.span == (LAST.span if is_same else Span(5 * S, end_us))
    assert (len(moved.words), moved.confidence, result.differ) == (words, 0.75, not is_same)


def test_speakers_are_taken_from_files_that_name_them():
    cues = (replace(CUES[0], speaker="Anne"), replace(CUES[1], speaker=None), CUES[2])
    named = made(*cues, names_speakers=True)
    assert [u.speaker for u in named.transcript.utterances] == ["Anne", None, "Anna"]
    assert named.differ == 2 and named.transcript.utterances[0].words == ANNA.words
    assert made(*cues).transcript.utterances == BEFORE.utterances


def test_a_line_put_back_as_it_was_has_its_words_again():
    wrong = made(CUES[0], replace(CUES[1], text="we won"), CUES[2]).transcript
    again = corrected(Edited(CUES, False), wrong, BEFORE)
    assert again.transcript.utterances == BEFORE.utterances and (again.differ, again.gone) == (0, 0)
    kept = corrected(Edited((CUES[0], replace(CUES[1], text="we won"), CUES[2]), False), wrong, BEFORE)
    assert kept.differ == 1


def test_lines_do_not_overlap():
    cues = (
        replace(CUES[0], end_us=3 * S),
        CUES[1],
        replace(CUES[2], text="thank"),
        replace(CUES[2], end_us=6 * S, text="you"),
        Cue(9 * S, 9 * S, "no length"),
    )
    lines = made(*cues).transcript.utterances
    assert [(u.span.start_us // S, u.span.end_us // S, u.text) for u in lines] == [
        (0, 2, ANNA.text),
        (2, 4, BOB.text),
        (5, 7, "you thank"),
        (9, 11, "no length"),
    ]
    crosstalk = transcript(line(0, 3 * S, "both of us"), line(2 * S, 4 * S, "at once"))
    untouched = tuple(Cue(u.span.start_us, u.span.end_us, u.text) for u in crosstalk.utterances)
    assert (
        corrected(Edited(untouched, False), crosstalk, crosstalk).transcript.utterances
        == crosstalk.utterances
    )


def test_what_lies_after_the_end_is_lost_and_said_to_be():
    assert within(BEFORE, 10 * S) == BEFORE
    cut = within(BEFORE, 3 * S)
    assert [u.span for u in cut.utterances] == [ANNA.span, Span(2 * S, 3 * S)] and not cut.utterances[1].words
    assert cut.losses[-1] == "1 corrected line lies after the video's end."
    assert within(transcript(LAST), S).status is Status.NO_TRANSCRIPT


def test_a_correction_is_read_back_as_it_was_kept():
    card = shipped_card("text_compact")
    kept = Correction("0" * 64, "transcript.srt", BEFORE, BEFORE, 1, 0, card)
    assert CORRECTIONS.validate_json(CORRECTIONS.dump_json(kept, indent=1), strict=True) == kept
    assert kept.digest != replace(kept, differ=2).digest


@pytest.mark.parametrize(
    ("text", "is_lost"),
    [
        ("???? OK?", True),
        ("真的很好 OK?", False),
        ("真的?? OK?", True),
        ("真的很? OK?", False),
        ("what??? OK", False),
    ],
)
def test_letters_that_a_spreadsheet_lost(text, is_lost):
    before = transcript(line(0, S, "真的很好 OK?"))
    assert (lost_letters(Edited((Cue(0, S, text),), False), before) == text) == is_lost

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fusion.align import align, finer, summarise, tile
from pipeline.labels import top
from pipeline.records import DOUBTFUL_KEY
from pipeline.types import Span, Status, Utterance
from tests.fusion.conftest import seen

times = st.integers(0, 60_000_000)
spans = st.lists(st.tuples(times, times).map(sorted).map(lambda p: Span(*p)), max_size=12)


@given(st.integers(1, 60_000_000), spans, st.integers(100_000, 10_000_000))
def test_tiles_leave_no_hole_and_no_overlap(duration, given_spans, gap):
    tiles = tile(duration, given_spans, gap)
    edges = [0, *(s.end_us for s, _ in tiles)]
    assert [s.start_us for s, _ in tiles] == edges[:-1] and edges[-1] == duration
    assert all(s.duration_us > 0 for s, _ in tiles)
    assert all(s.duration_us <= gap for s, index in tiles if index is None)
    used = [index for _, index in tiles if index is not None]
    assert len(used) == len(set(used))


@given(spans, st.integers(0, 5_000_000))
def test_tiles_of_disjoint_spans_keep_their_times_and_shift(given_spans, shift):
    disjoint, at = [], 0
    for span in sorted(given_spans):
        if span.start_us >= at and span.duration_us > 0:
            disjoint.append(span)
            at = span.end_us
    duration = at + 1
    plain = {i: s for s, i in tile(duration, disjoint, 10**9) if i is not None}
    assert [plain[i] for i in range(len(disjoint))] == disjoint
    moved = tile(duration + shift, [s.shifted(shift) for s in disjoint], 10**9)
    assert {i: s for s, i in moved if i is not None} == {i: s.shifted(shift) for i, s in plain.items()}


def test_summary_weighs_by_overlap():
    observations = [seen(0, 3, "happy"), seen(3, 4, "sad")]
    reading = summarise(Span(0, 4_000_000), observations)
    assert top(reading.scores)[0] == "happy" and reading.coverage == 1 and reading.samples == 2
    assert top(summarise(Span(2_900_000, 4_000_000), observations).scores)[0] == "sad"


def test_summary_takes_the_person_seen_most():
    both = [seen(0, 1, "sad", subject="P1"), seen(0, 2, "happy", subject="P2")]
    reading = summarise(Span(0, 2_000_000), both)
    assert reading.subject == "P2" and top(reading.scores)[0] == "happy"


@pytest.mark.parametrize(
    ("observations", "status"),
    [
        ([seen(0, 2, None)], Status.NO_FACE),
        ([], Status.NOT_OBSERVED),
        ([seen(0, 1, None), seen(1, 2)], Status.OK),
    ],
)
def test_absence_is_a_status(observations, status):
    reading = summarise(Span(0, 2_000_000), observations)
    assert reading.status is status and (reading.scores is None) == (status is not Status.OK)


def test_a_trace_of_scores_does_not_speak_for_a_pause():
    pause = [seen(0, 0.3), seen(0.3, 5, None)]
    assert summarise(Span(0, 5_000_000), pause).status is Status.NO_FACE
    assert summarise(Span(0, 2_000_000), pause).status is Status.OK
    assert summarise(Span(0, 60_000_000), [seen(0, 1), seen(1, 60, None)]).status is Status.OK


def test_coverage_counts_overlapping_windows_once():
    assert summarise(Span(0, 4_000_000), [seen(0, 3), seen(1, 3)]).coverage == 0.75


@given(st.integers(0, 100))
def test_align_gives_every_utterance_its_row(shift_s):
    at = shift_s * 1_000_000
    spoken = [Utterance(Span(at, at + 1_000_000), "a", None, "file")]
    spoken.append(Utterance(Span(at + 500_000, at + 2_000_000), "b", None, "file"))
    rows = align(at + 3_000_000, spoken, {"face": [seen(0, 1)], "voice": []}, 5_000_000)
    assert [r.utterance.text for r in rows if r.utterance] == ["a", "b"]
    assert all(r.by_modality["voice"].status is Status.FAILED for r in rows)


def test_align_over_many_observations_equals_a_full_search():
    observations = [seen(i / 5, (i + 1) / 5, "happy" if i % 3 else "sad") for i in range(200)]
    spoken = [Utterance(Span(i * 1_700_000, i * 1_700_000 + 900_000), "x", None, "f") for i in range(20)]
    for row in align(40_000_000, spoken, {"face": observations}, 5_000_000):
        assert row.by_modality["face"] == summarise(row.span, observations)


pieces = st.lists(st.integers(1, 6_000_000), min_size=1, max_size=6)
cuts = st.lists(st.integers(-1_000_000, 40_000_000), max_size=5)


def said(lengths_us: list[int]) -> tuple[int, list[Utterance]]:
    """Utterances one after the other, every second one a gap; and how long that lasts."""
    at, spoken = 0, []
    for i, length in enumerate(lengths_us):
        if i % 2 == 0:
            spoken.append(Utterance(Span(at, at + length), f"line {i}", None, "file"))
        at += length
    return at, spoken


@given(pieces, cuts, st.integers(500_000, 3_000_000))
def test_finer_stretches_tile_the_same_film(lengths, cuts_us, most_us):
    duration, spoken = said(lengths)
    observations = {
        "face": [seen(i / 2, (i + 1) / 2, "sad" if i % 3 else None) for i in range(80)],
        "text": (),
    }
    rows = align(duration, spoken, observations, 5_000_000)
    stretches = finer(rows, observations, most_us, cuts_us)
    edges = [0, *(one.span.end_us for one in stretches)]
    assert [one.span.start_us for one in stretches] == edges[:-1] and edges[-1] == duration
    assert all(0 < one.span.duration_us <= most_us for one in stretches)
    assert set(edges) >= {cut for cut in cuts_us if 0 <= cut <= duration}  # nothing lasts across a cut
    assert set(edges) >= {row.span.end_us for row in rows}  # nor across two moments
    for one in stretches:
        (row,) = (row for row in rows if row.span.overlap_us(one.span))
        assert one.utterance == row.utterance
        assert one.by_modality["face"] == summarise(one.span, observations["face"])
        assert one.by_modality["text"].status is Status.FAILED


def test_finer_pieces_are_equal_and_no_more_than_needed():
    (row,) = align(5_000_000, [], {}, 5_000_000)
    assert [s.span.duration_us for s in finer([row], {}, 2_000_000)] == [1_666_666, 1_666_667, 1_666_667]
    assert finer([row], {}, 5_000_000) == [row] and finer([], {}, 1) == []


def test_words_speak_for_all_of_their_utterance_and_a_face_for_its_own_time():
    text = [seen(0, 6, "happy")]
    face = [seen(0, 4, "happy"), seen(4, 6, "sad")]
    observations = {"face": face, "text": text}
    rows = align(6_000_000, [Utterance(Span(0, 6_000_000), "a", None, "file")], observations, 5_000_000)
    stretches = finer(rows, observations, 2_000_000)
    assert [top(s.by_modality["text"].scores)[0] for s in stretches] == ["happy"] * 3
    assert [top(s.by_modality["face"].scores)[0] for s in stretches] == ["happy", "happy", "sad"]
    assert all(s.by_modality["text"].coverage == 1 for s in stretches)


def test_what_may_be_invented_is_doubtful_wherever_it_is_heard():
    doubtful = [seen(0, 2, evidence={DOUBTFUL_KEY: True}), seen(2, 6)]
    rows = align(6_000_000, [], {"text": doubtful}, 6_000_000)
    assert [s.by_modality["text"].doubtful for s in finer(rows, {"text": doubtful}, 2_000_000)] == [
        True,
        False,
        False,
    ]
    assert rows[0].by_modality["text"].doubtful

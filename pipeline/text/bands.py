"""From text boxes in sampled pictures to the lines of burned-in subtitles: where, when and which text.

Pure. Subtitles are told from other writing by what they do: they stand level and centred, clear of the
picture's sides, in the same band; they come and go while somebody speaks; and there are about as many words
as can be spoken in the time. Logos and name plates stay, tickers run out of the picture, clocks have no
letters, writing on things is seldom centred and follows no speech.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import combinations, pairwise
from statistics import median

from pipeline.media.cues import Cue, SpokenLine
from pipeline.media.language import is_east_asian
from pipeline.overlap import Overlaps
from pipeline.text.ocr import Box
from pipeline.text.quality import units
from pipeline.text.word_alignment import comparable
from pipeline.types import US_PER_S, Span, united

# A detector's box is about 1.6 times as high as its characters: of the shorter side, and of the height.
MIN_HEIGHT, MAX_HEIGHT = 0.025, 0.15
# Of the picture's width: how far from the middle a line's middle may lie, and how near to a side it may come.
MAX_OFF_CENTRE, MIN_MARGIN = 0.1, 0.015
# Boxes beside each other with a gap of no more heights than this are one line.
MAX_GAP_HEIGHTS = 1.2
MAX_ROW_TILT_HEIGHTS = 0.25  # between their middles
MAX_ROW_HEIGHT_RATIO = 1.4
# Writing read with less probability is texture, or a script the recogniser does not know.
MIN_SCORE = 0.75
MIN_MEAN_SCORE = 0.9
# Two readings are surely of the same writing from this similarity on (``difflib``'s ratio); where they stand
# at the same place and one of them is doubtful, from the lower one on.
SURE_SIMILARITY, MIN_SIMILARITY = 0.8, 0.5
MIN_SAME_PLACE = 0.75  # of the width that both take up, shared
SURE_SCORE = 0.97
MIN_SIMILAR_FRACTION = 0.8  # of the shorter text, where the longer goes on from it
# A line that stands longer is no subtitle.
MAX_LINE_US = 12 * US_PER_S
MAX_MEDIAN_LINE_US = 6 * US_PER_S
# Nor is a text that stands for this fraction of the video, however often it goes and comes.
MAX_STANDING_FRACTION = 0.3
# Letters that can be spoken in a second, with room for pauses: of Chinese or Japanese, and of other scripts.
MIN_WIDE_PER_S, MAX_WIDE_PER_S = 2.4, 14.0
MIN_NARROW_PER_S, MAX_NARROW_PER_S = 7.0, 42.0
MIN_TIMED_US = 400_000  # a shorter line is one that was cut off
MAX_TOGETHER = 0.2  # of the time of a second band: both at once are not one transcript
MIN_OVER_SPEECH = 0.5  # of the time of the lines
SPEECH_MARGIN_US = 300_000
MAX_RUN_HEIGHTS = 0.6
# After so much time with lines they are given up where they hold less than this part of the words needed, and
# after so much speech where they cover less than this part of what they must.
MIN_JUDGED_US, MAX_BARE_US, HOPELESS = 10 * US_PER_S, 120 * US_PER_S, 0.5
# A piece of fewer words (or characters) is one with the next one, where that follows at once.
MIN_UNITS, MAX_PIECE_GAP_US, MAX_JOINED_US = 4, 250_000, 6 * US_PER_S
MAX_GAP_US = 450_000  # a line not read for so long, as over a bright background, went on
MAX_STRIPS = 3
STRIP_MARGIN_HEIGHTS = 1.0
MIN_FRAME_FRACTION = 0.25  # of pictures within speech that hold subtitles
MAX_ROWS = 4  # at a time: two languages of two lines each
MAX_ROWS_READ = 6  # a picture with more is a page of text, which is not read

# Dots that trail off end no sentence.
_SENTENCE_END = re.compile(r"[!?。！？]$|(?<![.…])\.$")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of writing in one picture; ``score`` in [0, 1] is the mean probability of its characters.

    ``is_unchanged``: its strokes are those of the sample before, however it is read now.
    """

    text: str
    box: Box
    score: float
    is_unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows of one sampled picture; a row that was not read anew is the same object again."""

    time_us: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Strip:
    """Rows of pixels, top to bottom (excluded), in which subtitles are looked for."""

    top_px: int
    bottom_px: int


@dataclass(frozen=True, slots=True)
class Line:
    """Writing that stood at one place from the first to the last time it was read."""

    span: Span
    text: str
    box: Box
    score: float


@dataclass(slots=True)
class _Track:
    """A line while it is followed, with what each sample shows of it."""

    rows: list[Row]
    start_us: int
    last_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether lines are subtitles of what is said; ``coverage`` is the fraction of speech they stand over."""

    are_subtitles: bool
    coverage: float
    reason: str = ""


# --- Boxes of one picture ----------------------------------------------------------------------------------


def in_rows(boxes: Iterable[Box]) -> list[Box]:
    """Boxes side by side as one, from top to bottom."""
    rows: list[Box] = []
    for box in sorted(boxes, key=lambda one: (one.left_px, one.top_px)):
        for i, row in enumerate(rows):
            if _are_beside(row, box):
                rows[i] = _joined(row, box)
                break
        else:
            rows.append(box)
    return sorted(rows, key=lambda row: (row.top_px, row.left_px))


def _are_beside(one: Box, other: Box) -> bool:
    lower, higher = sorted((one.height_px, other.height_px))
    return (
        abs(one.centre[1] - other.centre[1]) <= MAX_ROW_TILT_HEIGHTS * lower
        and higher <= MAX_ROW_HEIGHT_RATIO * lower
        and other.left_px - one.right_px <= MAX_GAP_HEIGHTS * lower
    )


def _joined(one: Box, other: Box) -> Box:
    return Box(
        min(one.left_px, other.left_px),
        min(one.top_px, other.top_px),
        max(one.right_px, other.right_px),
        max(one.bottom_px, other.bottom_px),
        min(one.score, other.score),
    )


def is_placed_like_a_subtitle(box: Box, width_px: int, height_px: int) -> bool:
    """Whether a box in a picture of this size is centred, of a readable height and clear of the sides."""
    margin = MIN_MARGIN * width_px
    return (
        MIN_HEIGHT * min(width_px, height_px) <= box.height_px <= MAX_HEIGHT * height_px
        and box.width_px >= box.height_px
        and abs(box.centre[0] - width_px / 2) <= MAX_OFF_CENTRE * width_px
        and box.left_px > margin
        and box.right_px < width_px - margin
    )


def is_words(row: Row) -> bool:
    """Whether a reading is surely of letters: one of Chinese or Japanese, or two others."""
    wide, narrow = letters(row.text)
    return row.score >= MIN_SCORE and (wide >= 1 or narrow >= 2)


def letters(text: str) -> tuple[int, int]:
    """How many letters are Chinese or Japanese, and how many others."""
    wide = sum(map(is_east_asian, text))
    return wide, sum(char.isalpha() for char in text) - wide


# --- Where subtitles stand ---------------------------------------------------------------------------------


def strips(pictures: Sequence[Sequence[Row]], height_px: int, min_texts: int = 2) -> list[Strip]:
    """Where writing changes from picture to picture, out of a few pictures within speech; the fullest first.

    ``pictures`` hold the rows that are placed like subtitles and are words, in pictures ``height_px`` high.
    Empty where hardly any picture has such writing, or, unless one text is enough (``min_texts``), where the
    same stands in all of them.
    """
    clusters: list[list[tuple[int, Row]]] = []
    for i, rows in enumerate(pictures):
        for row in rows:
            for cluster in clusters:
                if _are_level(cluster[0][1].box, row.box):
                    cluster.append((i, row))
                    break
            else:
                clusters.append([(i, row)])
    changing = [c for c in clusters if min_texts < 2 or _changes(c, len(pictures))]
    covered = {i for cluster in changing for i, _ in cluster}
    if len(covered) < MIN_FRAME_FRACTION * len(pictures):
        return []
    spans: list[tuple[float, float, int]] = []
    for cluster in changing:
        heights = sorted(row.box.height_px for _, row in cluster)
        margin = STRIP_MARGIN_HEIGHTS * heights[len(heights) // 2]
        top = min(row.box.top_px for _, row in cluster) - margin
        bottom = max(row.box.bottom_px for _, row in cluster) + margin
        spans.append((max(0.0, top), min(float(height_px), bottom), len(cluster)))
    merged: list[tuple[float, float, int]] = []
    for top, bottom, count in sorted(spans):
        if merged and top <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(bottom, merged[-1][1]), merged[-1][2] + count)
        else:
            merged.append((top, bottom, count))
    fullest = sorted(merged, key=lambda one: (-one[2], -one[1]))[:MAX_STRIPS]
    return [Strip(int(top), int(bottom)) for top, bottom, _ in fullest]


def _are_level(one: Box, other: Box) -> bool:
    apart = abs(one.centre[1] - other.centre[1])
    lower, higher = sorted((one.height_px, other.height_px))
    return apart <= 0.5 * lower and higher <= 2 * lower


def _changes(cluster: Sequence[tuple[int, Row]], pictures: int) -> bool:
    """Whether the writing differs from picture to picture, or is there in some of them only."""
    first = cluster[0][1].text
    if any(similarity(first, row.text) < MIN_SIMILARITY for _, row in cluster):
        return True
    return len({i for i, _ in cluster}) < pictures


def similarity(one: str, other: str) -> float:
    """How alike two readings are, in [0, 1], whatever their spaces and punctuation."""
    a, b = _plain(one), _plain(other)
    return SequenceMatcher(None, a, b, autojunk=False).ratio() if a or b else 1.0


def _plain(text: str) -> str:
    # Over an uneasy background traditional characters are read as simplified ones, and the other way.
    return "".join(comparable(text))


# --- Lines over time ---------------------------------------------------------------------------------------


def lines_of(samples: Sequence[Sample]) -> list[Line]:
    """Lines in order of their start, out of samples in order of time.

    A line begins and ends in the middle between two samples, of which one shows it. Writing that grows, as
    while it is typed, is one line from its first character on; the text most often read stands for all.
    Writing that runs through the picture is no line.
    """
    open_: list[_Track] = []
    done: list[_Track] = []
    before_us: int | None = None
    for sample in samples:
        time_us = sample.time_us
        border_us = 0 if before_us is None else (before_us + time_us) // 2
        rest = list(sample.rows)
        for track in open_:
            match = next((row for row in rest if _goes_on(track.rows[-1], row)), None)
            if match is None:
                continue
            rest.remove(match)
            track.rows.append(match)
            track.last_us = track.end_us = time_us
        for track in open_:
            if track.last_us < time_us and track.end_us == track.last_us:
                track.end_us = border_us
        gone = [t for t in open_ if time_us - t.last_us > MAX_GAP_US or _is_replaced(t, sample, rest)]
        done += gone
        open_ = [t for t in open_ if all(t is not other for other in gone)]
        open_ += [_Track([row], border_us, time_us, time_us) for row in rest]
        before_us = time_us
    if len(samples) > 1:
        for track in open_:
            if track.end_us == before_us:
                track.end_us += (samples[-1].time_us - samples[-2].time_us) // 2
    done += open_
    standing = [_line(track) for track in done if not _runs(track)]
    return _with_fades(sorted(standing, key=lambda line: (line.span, line.box.top_px)))


def _with_fades(lines: Sequence[Line]) -> list[Line]:
    """Lines in order, each with the moments before and after it in which part of it was read."""
    whole = list(lines)
    for i, line in enumerate(whole):
        for k in (i - 1, i + 1):
            if line.span.duration_us < MIN_TIMED_US and 0 <= k < len(whole) and _is_part(line, whole[k]):
                span = whole[k].span
                start, end = min(span.start_us, line.span.start_us), max(span.end_us, line.span.end_us)
                whole[k] = replace(whole[k], span=Span(start, end))
                whole[i] = replace(line, text="")
                break
    return [line for line in whole if line.text]


def _is_part(part: Line, line: Line) -> bool:
    apart = max(part.span.start_us - line.span.end_us, line.span.start_us - part.span.end_us)
    return (
        apart <= MAX_PIECE_GAP_US and _overlap(part.box, line.box) and _plain(part.text) in _plain(line.text)
    )


def _runs(track: _Track) -> bool:
    """Whether both ends of the writing moved the same way, or all of it up or down, as credits do."""
    first, last = track.rows[0].box, track.rows[-1].box
    left, right = last.left_px - first.left_px, last.right_px - first.right_px
    up = abs(first.centre[1] - last.centre[1])
    across = min(abs(left), abs(right)) if left * right > 0 else 0.0
    return max(across, up) > MAX_RUN_HEIGHTS * first.height_px


def _is_replaced(track: _Track, sample: Sample, fresh: Sequence[Row]) -> bool:
    return track.last_us < sample.time_us and any(_are_level(track.rows[-1].box, row.box) for row in fresh)


def _goes_on(before: Row, row: Row) -> bool:
    """Whether a row is the one before it, read again or grown."""
    if before is row:
        return True
    if not _overlap(before.box, row.box):
        return False
    if row.is_unchanged and _are_at_one_place(before.box, row.box):
        return True
    a, b = _plain(before.text), _plain(row.text)
    alike = similarity(a, b)
    if alike >= SURE_SIMILARITY:
        return True
    is_doubtful = min(before.score, row.score) < SURE_SCORE
    if is_doubtful and alike >= MIN_SIMILARITY and _are_at_one_place(before.box, row.box):
        return True
    return bool(a) and len(a) < len(b) and similarity(a, b[: len(a)]) >= MIN_SIMILAR_FRACTION


def _are_at_one_place(one: Box, other: Box) -> bool:
    shared = min(one.right_px, other.right_px) - max(one.left_px, other.left_px)
    return shared >= MIN_SAME_PLACE * (max(one.right_px, other.right_px) - min(one.left_px, other.left_px))


def _overlap(one: Box, other: Box) -> bool:
    """Whether they share at least half of the lower one's height."""
    shared = min(one.bottom_px, other.bottom_px) - max(one.top_px, other.top_px)
    return shared >= 0.5 * min(one.height_px, other.height_px)


def _line(track: _Track) -> Line:
    """The track under the text that was read most often, each reading weighed by its score."""
    longest = max(len(_plain(row.text)) for row in track.rows)
    votes: Counter[str] = Counter()
    best: dict[str, Row] = {}
    for row in track.rows:
        if len(_plain(row.text)) >= MIN_SIMILAR_FRACTION * longest:
            votes[row.text] += round(1000 * row.score**4)
            if row.text not in best or row.score > best[row.text].score:
                best[row.text] = row
    text = max(votes, key=lambda one: (votes[one], one))
    return Line(
        Span(track.start_us, max(track.start_us, track.end_us)), text, best[text].box, best[text].score
    )


def without_standing(lines: Sequence[Line], duration_us: int) -> list[Line]:
    """Without writing that stays, or comes again and again: name plates, logos, titles.

    What stands in another row while two lines follow each other stays, however short the video.
    """
    total_us: Counter[str] = Counter()
    for line in lines:
        total_us[_plain(line.text)] += line.span.duration_us
    limit_us = max(MAX_LINE_US, round(MAX_STANDING_FRACTION * duration_us))
    standing = {
        text
        for text in (text for text, us in total_us.items() if us > MAX_LINE_US / 2)
        if sum(us for other, us in total_us.items() if _are_one_text(text, other)) > limit_us
    }
    standing |= {_plain(line.text) for line in lines if line.span.duration_us > MAX_LINE_US}
    standing |= {_plain(line.text) for line in _outlasting(lines)}
    return [line for line in lines if not any(_are_one_text(_plain(line.text), one) for one in standing)]


def _outlasting(lines: Sequence[Line]) -> list[Line]:
    """Lines during which at least two others come and go one after the other."""
    ordered = sorted(lines, key=lambda line: line.span)
    starts = [line.span.start_us for line in ordered]
    outlasting = []
    for line in ordered:
        inside = [
            other
            for other in ordered[
                bisect_left(starts, line.span.start_us) : bisect_left(starts, line.span.end_us)
            ]
            if other.span.end_us <= line.span.end_us
            and other.span.duration_us >= MIN_TIMED_US
            and not _are_level(line.box, other.box)
        ]
        if any(
            one.span.end_us <= other.span.start_us
            and _are_level(one.box, other.box)
            and similarity(one.text, other.text) < MIN_SIMILARITY
            for one, other in combinations(inside, 2)
        ):
            outlasting.append(line)
    return outlasting


def _are_one_text(one: str, other: str) -> bool:
    if one == other:
        return True
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.real_quick_ratio() >= SURE_SIMILARITY and matcher.ratio() >= SURE_SIMILARITY


def in_band(lines: Sequence[Line]) -> list[Line]:
    """Lines in a row where several stand, or right above or below such a line while it stands."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda one: one.box.centre[1]):
        if rows and _are_level(rows[-1][0].box, line.box):
            rows[-1].append(line)
        else:
            rows.append([line])
    main = [line for row in rows if len(row) >= 2 for line in row] or list(lines)
    return [
        line
        for line in lines
        if any(line is other for other in main) or any(_are_stacked(line, other) for other in main)
    ]


def _are_stacked(line: Line, main: Line) -> bool:
    apart = abs(line.box.centre[1] - main.box.centre[1])
    return (
        line.span.duration_us >= MIN_TIMED_US
        and line.span.overlap_us(main.span) > 0
        and apart <= 1.5 * max(line.box.height_px, main.box.height_px)
    )


# --- Whether they are subtitles ----------------------------------------------------------------------------


def verdict(lines: Sequence[Line], speech: Sequence[Span], min_texts: int = 2) -> Verdict:
    """Whether lines of one band are subtitles of the speech; without speech, whether they could be.

    One text alone may be a title that came and went: as many as ``min_texts`` must follow each other.
    """
    if not lines:
        return Verdict(False, 0.0, "no line comes and goes")
    shown = united(line.span for line in lines)
    margins = united(Span(max(0, s.start_us - SPEECH_MARGIN_US), s.end_us + SPEECH_MARGIN_US) for s in speech)
    least, most = letters_per_second(lines)
    reasons = (
        (_texts(lines, min_texts) < min_texts, "the same writing stands all the time"),
        (mean_score(lines) < MIN_MEAN_SCORE, "it cannot be read with confidence"),
        (_is_page(lines), "it is a page of text"),
        (median(line.span.duration_us for line in lines) > MAX_MEDIAN_LINE_US, "its lines stand too long"),
        (least < 1, "there are fewer words in it than are spoken in the time"),
        (most > 1, "there are more words in it than can be spoken in the time"),
        (bool(speech) and fraction_over(shown, margins) < MIN_OVER_SPEECH, "it does not go with the speech"),
    )
    reason = next((why for is_so, why in reasons if is_so), "")
    return Verdict(not reason, fraction_over(speech, shown), reason)


def subtitle_bands(
    bands: Sequence[Sequence[Line]], speech: Sequence[Span], min_texts: int = 2
) -> tuple[int, ...]:
    """Which of several bands hold the subtitles, the main one first; empty where none does.

    The main one stands over the most speech. Another belongs to it where its lines are as high and come
    instead of the main one's, as where a line is moved to the top; such a line may be the only one.
    """
    verdicts = [verdict(lines, speech, min_texts) for lines in bands]
    good = [i for i, one in enumerate(verdicts) if one.are_subtitles]
    if not good:
        return ()
    main = max(good, key=lambda i: (_time_us(bands[i]), -i))
    others = (
        i
        for i, lines in enumerate(bands)
        if i != main and _alternate(bands[main], lines) and verdict(lines, speech, 1).are_subtitles
    )
    return (main, *others)


def _time_us(lines: Sequence[Line]) -> int:
    return sum(span.duration_us for span in united(line.span for line in lines))


def _alternate(main: Sequence[Line], lines: Sequence[Line]) -> bool:
    if not lines:
        return False
    shared = fraction_over(united(one.span for one in lines), united(one.span for one in main))
    lower, higher = sorted(median(one.box.height_px for one in group) for group in (main, lines))
    return shared <= MAX_TOGETHER and higher <= MAX_ROW_HEIGHT_RATIO * lower


def letters_per_second(lines: Sequence[Line]) -> tuple[float, float]:
    """Letters a second of the time they stand: over the least, and over the most, that can be spoken.

    Of two languages shown at a time the fuller one counts. Both 0 where only cut-off lines are left.
    """
    timed = [line for line in lines if line.span.duration_us >= MIN_TIMED_US]
    counts = [letters(line.text) for line in timed]
    wide, narrow = sum(count[0] for count in counts), sum(count[1] for count in counts)
    seconds = sum(span.duration_us for span in united(line.span for line in timed)) / US_PER_S
    if not seconds:
        return 0.0, 0.0
    least = max(wide / MIN_WIDE_PER_S, narrow / MIN_NARROW_PER_S) / seconds
    most = max(wide / MAX_WIDE_PER_S, narrow / MAX_NARROW_PER_S) / seconds
    return least, most


def is_hopeless(lines: Sequence[Line], speech: Sequence[Span], until_us: int, min_coverage: float) -> bool:
    """Whether lines read until some time rule out that subtitles stand over as much of the speech as needed.

    Either too much of the speech went by without a line (that is certain), or hardly any of two minutes of it
    had one, or the lines hold far too few words, or there is a page of them.
    """
    total_us = sum(span.duration_us for span in speech)
    past = [Span(s.start_us, min(s.end_us, until_us)) for s in speech if s.start_us < until_us]
    past_us = sum(span.duration_us for span in past)
    shown = united(line.span for line in lines)
    covered = fraction_over(past, shown)
    if past_us * (1 - covered) > (1 - min_coverage) * total_us:
        return True
    if past_us > MAX_BARE_US and covered < HOPELESS * min_coverage:
        return True
    return _time_us(lines) > MIN_JUDGED_US and (letters_per_second(lines)[0] < HOPELESS or _is_page(lines))


def _is_page(lines: Sequence[Line]) -> bool:
    return sum(line.span.duration_us for line in lines) > MAX_ROWS * _time_us(lines)


def mean_score(lines: Sequence[Line]) -> float:
    """Mean probability of the characters."""
    count = sum(len(line.text) for line in lines)
    return sum(line.score * len(line.text) for line in lines) / max(1, count)


def _texts(lines: Sequence[Line], enough: int) -> int:
    """How many unlike texts follow each other; counted no further than needed."""
    unlike: list[str] = []
    for cue in cues_of(lines):
        if all(similarity(cue.text, text) < MIN_SIMILARITY for text in unlike):
            unlike.append(cue.text)
            if len(unlike) == enough:
                break
    return len(unlike)


def fraction_over(spans: Sequence[Span], others: Sequence[Span]) -> float:
    """Which fraction of the time of ``spans`` lies over ``others``, both in order; 0 for no time."""
    total = sum(span.duration_us for span in spans)
    overlaps = Overlaps(others)
    shared = sum(span.overlap_us(others[i]) for span in spans for i in overlaps.during(span))
    return shared / total if total else 0.0


# --- As cues -----------------------------------------------------------------------------------------------


def cues_of(lines: Sequence[Line]) -> list[Cue]:
    """Cues out of lines: what stands above each other at a time is one cue of several lines.

    A second line that comes while the first one stands belongs to the first one's cue, from the first one's
    start on.
    """
    groups: list[list[Line]] = []
    for line in sorted(lines, key=lambda one: one.span):
        for group in reversed(groups[-4:]):
            if any(_are_one_cue(line, other) for other in group):
                group.append(line)
                break
        else:
            groups.append([line])
    cues = []
    for group in groups:
        ordered = sorted(group, key=lambda one: one.box.centre[1])
        start, end = min(one.span.start_us for one in group), max(one.span.end_us for one in group)
        cues.append(Cue(start, end, "\n".join(one.text for one in ordered)))
    for i, (before, after) in enumerate(pairwise(cues)):
        if after.start_us < before.end_us:
            cues[i] = replace(before, end_us=max(before.start_us, after.start_us))
    return cues


def joined(lines: Sequence[SpokenLine]) -> list[SpokenLine]:
    """Lines of speech, each piece of too few words as one with the next: subtitles are often shown in pieces.

    Not where the piece ends a sentence, another person speaks, or there is a pause.
    """
    whole: list[SpokenLine] = []
    for line in lines:
        before = whole[-1] if whole else None
        if before is not None and _is_piece_of(before, line):
            span = Span(before.span.start_us, line.span.end_us)
            whole[-1] = SpokenLine(span, f"{before.text} {line.text}", line.speaker)
        else:
            whole.append(line)
    return whole


def _is_piece_of(piece: SpokenLine, line: SpokenLine) -> bool:
    return (
        units(piece.text) < MIN_UNITS
        and piece.speaker == line.speaker
        and line.span.start_us - piece.span.end_us <= MAX_PIECE_GAP_US
        and line.span.end_us - piece.span.start_us <= MAX_JOINED_US
        and not _SENTENCE_END.search(piece.text)
    )


def _are_one_cue(one: Line, other: Line) -> bool:
    shared = one.span.overlap_us(other.span)
    return shared >= 0.5 * min(one.span.duration_us, other.span.duration_us) > 0 and not _are_level(
        one.box, other.box
    )

"""Where faces are to be hidden, and when: from sampled boxes to regions that leave no frame bare.

Faces are known at sampled times only. What lies between is covered by the hull of the boxes around it, wider
where a face moves; gaps are held. A face that no channel has found is not hidden; :func:`unseen` tells where
that is likely.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, floor

from pipeline.media.shapes import shape_index
from pipeline.records import BOX_KEY, FRAME_TIME_KEY
from pipeline.types import Analysis, MediaInfo, Observation, Span, united

# Shares of a face's width and height added around the detector's box, which ends at brows, cheeks and chin.
SIDE, ABOVE, BELOW = 0.3, 0.4, 0.3
# A face that moves between two sightings may go further and come back: so much of the way is added.
OVERSHOOT = 0.5
# One person who comes back in the same place is held for however long; one who does elsewhere, or another in
# the same place, after no longer than this. All else is held for so long on either side.
HELD_US, AROUND_US = 4_000_000, 1_000_000
# One who is lost while moving is followed for so long at the same speed, at most so many faces far.
ONWARD_US, FURTHEST = 500_000, 1.5
# A face is followed at its new size so long after the picture has changed its shape.
SETTLED_US = 1_500_000
# A region stands as long as this makes it no wider: it does not tremble, and libass has less to look through.
GROWTH, LONGEST_US = 1.2, 3_000_000


@dataclass(frozen=True, slots=True)
class Region:
    """Something to hide for a while: ``box`` (left, top, width, height) in display pixels of the source.

    ``face_px`` is the longer side of the largest face under it.
    """

    span: Span
    box: tuple[int, int, int, int]
    face_px: int


@dataclass(frozen=True, slots=True)
class _Edges:
    left: float
    top: float
    right: float
    bottom: float

    def hull(self, other: "_Edges") -> "_Edges":
        return _Edges(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def meets(self, other: "_Edges") -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        return across > 0 and min(self.bottom, other.bottom) > max(self.top, other.top)


@dataclass(frozen=True, slots=True)
class _Cover:
    """A stretch of time with what is hidden in it; a sighting is one as well."""

    span: Span
    edges: _Edges
    face_px: int


def regions(analysis: Analysis) -> tuple[Region, ...]:
    """What to hide, from every observation of any modality that has a box; in order of time."""
    tracks = _tracks(analysis)
    covers = [cover for track in tracks for cover in _track(track)]
    covers += [_bridge(last, first) for last, first in _found_anew(tracks)]
    covers += list(_unsettled(covers, analysis.media))
    found = (_region(cover, analysis.media) for cover in covers)
    return tuple(sorted((r for r in found if r is not None), key=lambda r: (r.span, r.box)))


def unseen(analysis: Analysis) -> tuple[Span, ...]:
    """Where someone out of sight between two sightings may be bare, in order of time.

    These are gaps held for longer than ``HELD_US``, and those not held until anyone comes into sight, but for
    gaps of up to ``AROUND_US``: the places at both ends are hidden throughout.
    """
    tracks = _tracks(analysis)
    gaps = [
        Span(a.span.end_us, b.span.start_us)
        for track in tracks
        for a, b in pairwise(track)
        if b.span.start_us - a.span.end_us > HELD_US
    ]
    found = {id(last) for last, _ in _found_anew(tracks)}
    begins_us = sorted(track[0].span.start_us for track in tracks)
    for last in (track[-1] for track in tracks if id(track[-1]) not in found):
        after = bisect_left(begins_us, last.span.end_us)
        comes = (Span(last.span.end_us, us) for us in begins_us[after : after + 1])
        gaps += [gap for gap in comes if gap.duration_us > AROUND_US]
    return tuple(united(gaps))


def _tracks(analysis: Analysis) -> list[list[_Cover]]:
    persons: dict[tuple[str, str | None], list[_Cover]] = {}
    for modality in analysis.modalities:
        for one in analysis.observations.get(modality, ()):
            if one.evidence.get(BOX_KEY):
                persons.setdefault((modality, one.subject), []).append(_sighting(one))
    return [run for seen in persons.values() for run in _runs(sorted(seen, key=lambda c: c.span))]


def at(found: Iterable[Region], time_us: int) -> tuple[Region, ...]:
    """The regions over a frame of this time."""
    return tuple(r for r in found if r.span.start_us <= time_us < r.span.end_us)


def _sighting(one: Observation) -> _Cover:
    x, y, width, height = (float(side) for side in one.evidence[BOX_KEY])
    edges = _Edges(x - SIDE * width, y - ABOVE * height, x + (1 + SIDE) * width, y + (1 + BELOW) * height)
    time_us = int(one.evidence.get(FRAME_TIME_KEY, one.span.start_us))
    span = Span(min(time_us, one.span.start_us), max(time_us, one.span.end_us))
    return _Cover(span, edges, ceil(max(width, height)))


def _runs(seen: Sequence[_Cover]) -> Iterator[list[_Cover]]:
    """Sightings of one person in order of time, parted where one comes back elsewhere after a long gap."""
    run = list(seen[:1])
    for before, after in pairwise(seen):
        gap_us = after.span.start_us - before.span.end_us
        if gap_us > HELD_US and not after.edges.meets(before.edges):  # another shot, as far as boxes tell
            yield run
            run = []
        run.append(after)
    yield run


def _track(seen: Sequence[_Cover]) -> Iterator[_Cover]:
    """One person without a long gap: from a while before the first sighting to a while after the last."""
    first, last = seen[0], seen[-1]
    before = _Cover(
        Span(first.span.start_us - AROUND_US, first.span.start_us),
        _onward(first, seen[min(1, len(seen) - 1)]),
        first.face_px,
    )
    after = _Cover(
        Span(last.span.start_us, last.span.end_us + AROUND_US), _onward(last, seen[-2:][0]), last.face_px
    )
    yield from _joined([before, *(_between(a, b) for a, b in pairwise(seen)), after])


def _onward(end: _Cover, neighbour: _Cover) -> _Edges:
    """Where a person is at the end of a track, and goes when the way from or to its neighbour is gone on."""
    apart_us = abs(end.span.start_us - neighbour.span.start_us)
    if apart_us == 0:
        return end.edges
    far = ONWARD_US / apart_us
    reach = FURTHEST * end.face_px
    right = far * (end.edges.left + end.edges.right - neighbour.edges.left - neighbour.edges.right) / 2
    down = far * (end.edges.top + end.edges.bottom - neighbour.edges.top - neighbour.edges.bottom) / 2
    right, down = (max(-reach, min(reach, way)) for way in (right, down))
    edges = end.edges
    return edges.hull(_Edges(edges.left + right, edges.top + down, edges.right + right, edges.bottom + down))


def _between(a: _Cover, b: _Cover) -> _Cover:
    """From the beginning of one sighting to that of the next: both, and what lies between and around."""
    both = a.edges.hull(b.edges)
    across = OVERSHOOT * abs(a.edges.left + a.edges.right - b.edges.left - b.edges.right) / 2
    down = OVERSHOOT * abs(a.edges.top + a.edges.bottom - b.edges.top - b.edges.bottom) / 2
    wider = _Edges(both.left - across, both.top - down, both.right + across, both.bottom + down)
    end_us = max(a.span.end_us, b.span.start_us)
    return _Cover(Span(a.span.start_us, end_us), wider, max(a.face_px, b.face_px))


def _joined(covers: Sequence[_Cover]) -> Iterator[_Cover]:
    """Neighbours in time as one cover while it stays about as large as each of them."""
    open_ = covers[0]
    least = open_.edges
    for cover in covers[1:]:
        both = open_.edges.hull(cover.edges)
        smaller = _Edges(
            0, 0, min(_width(least), _width(cover.edges)), min(_height(least), _height(cover.edges))
        )
        alike = _width(both) <= GROWTH * smaller.right and _height(both) <= GROWTH * smaller.bottom
        if alike and cover.span.end_us - open_.span.start_us <= LONGEST_US:
            span = Span(open_.span.start_us, max(open_.span.end_us, cover.span.end_us))
            open_ = _Cover(span, both, max(open_.face_px, cover.face_px))
            least = smaller
            continue
        yield open_
        open_, least = cover, cover.edges
    yield open_


def _found_anew(tracks: Sequence[Sequence[_Cover]]) -> Iterator[tuple[_Cover, _Cover]]:
    """Where one track ends and another begins near it soon after: a face that was lost and found anew."""
    begins = sorted((track[0] for track in tracks), key=lambda c: c.span)
    starts_us = [first.span.start_us for first in begins]
    for track in tracks:
        last = track[-1]
        after, until = (bisect_right(starts_us, last.span.end_us + us) for us in (0, HELD_US))
        yield from ((last, first) for first in begins[after:until] if first.edges.meets(last.edges))


def _bridge(last: _Cover, first: _Cover) -> _Cover:
    return replace(_between(last, first), span=Span(last.span.end_us, first.span.start_us))


def _region(cover: _Cover, media: MediaInfo) -> Region | None:
    """In whole pixels, inside film and picture; None when nothing is left."""
    start_us, end_us = max(0, cover.span.start_us), min(media.duration_us, cover.span.end_us)
    left, top = max(0, floor(cover.edges.left)), max(0, floor(cover.edges.top))
    width = min(media.width_px, ceil(cover.edges.right)) - left
    height = min(media.height_px, ceil(cover.edges.bottom)) - top
    if start_us >= end_us or width <= 0 or height <= 0:
        return None
    return Region(Span(start_us, end_us), (left, top, width, height), cover.face_px)


def _unsettled(covers: Sequence[_Cover], media: MediaInfo) -> Iterator[_Cover]:
    """What is seen soon after a picture has changed its shape, from the change on.

    A face is first looked for where, and as large as, it was before.
    """
    if not media.shapes:
        return
    for cover in covers:
        at_shape = shape_index(media.shapes, cover.span.start_us)
        change_us = media.shapes[at_shape].start_us
        if at_shape > 0 and cover.span.start_us - change_us <= SETTLED_US:
            yield replace(cover, span=Span(change_us, cover.span.end_us))


def _width(edges: _Edges) -> float:
    return edges.right - edges.left


def _height(edges: _Edges) -> float:
    return edges.bottom - edges.top

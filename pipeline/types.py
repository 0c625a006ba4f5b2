"""The nouns of the pipeline: frozen records with times as integer microseconds on one media clock.

The clock's zero is what a player shows as 0:00. Nothing here knows a model, a file format or a library. Over
300 lines, since every room looks for its nouns here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

US_PER_S = 1_000_000

# What a user chooses by name; here, where the command line can read it without loading the settings.
Profile = Literal["auto", "compact", "full"]
FilmStyle = Literal["full", "minimal", "subtitles"]
ChineseScript = Literal["auto", "simplified", "traditional"]
ExportFormat = Literal[
    "elan", "textgrid", "vtt", "srt", "ass", "parquet", "session", "label-studio", "edl", "fcpxml"
]


class Status(StrEnum):
    """Whether an observation carries scores and, if not, why. Absence is a status, never NaN or "neutral"."""

    OK = "ok"
    NO_FACE = "no_face"
    NO_VIDEO = "no_video"
    SILENCE = "silence"
    NO_AUDIO = "no_audio"
    TOO_SHORT = "too_short"
    NO_TRANSCRIPT = "no_transcript"
    NO_WORDS = "no_words"  # there is a transcript, and it is empty here
    UNSUPPORTED_LANGUAGE = "unsupported_language"
    NOT_REQUESTED = "not_requested"
    NOT_OBSERVED = "not_observed"  # the film goes on after the last sample, for instance
    FAILED = "failed"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of time, ``[start_us, end_us)``."""

    start_us: int
    end_us: int

    def __post_init__(self) -> None:
        if self.end_us < self.start_us:
            raise ValueError(f"span ends before it starts: {self.start_us} > {self.end_us}")

    @property
    def duration_us(self) -> int:
        return self.end_us - self.start_us

    @property
    def start_s(self) -> float:
        return self.start_us / US_PER_S

    @property
    def end_s(self) -> float:
        return self.end_us / US_PER_S

    def overlap_us(self, other: "Span") -> int:
        """Length of the part shared with ``other``; 0 when they only touch."""
        return max(0, min(self.end_us, other.end_us) - max(self.start_us, other.start_us))

    def shifted(self, by_us: int) -> "Span":
        return Span(self.start_us + by_us, self.end_us + by_us)


def united(spans: Iterable[Span]) -> list[Span]:
    """The time that spans cover, in order: those that overlap or touch as one."""
    parts: list[Span] = []
    for span in sorted(spans):
        if parts and span.start_us <= parts[-1].end_us:
            parts[-1] = Span(parts[-1].start_us, max(parts[-1].end_us, span.end_us))
        else:
            parts.append(span)
    return parts


@dataclass(frozen=True, slots=True)
class SubtitleStream:
    """``forced``: signs and foreign passages only. ``is_text`` is false for pictures of text."""

    index: int
    codec: str
    language: str | None
    default: bool = False
    forced: bool = False
    hearing_impaired: bool = False
    is_text: bool = True


@dataclass(frozen=True, slots=True)
class PictureShape:
    """Stored size and shape of a pixel (width : height) of a picture from ``start_us`` on.

    ``rotation_deg`` is what the picture itself says beside its container, clockwise from stored to shown.
    """

    start_us: int
    width_px: int
    height_px: int
    aspect_width: int = 1
    aspect_height: int = 1
    rotation_deg: int = 0


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a container holds, in display terms (rotation and non-square pixels applied).

    ``warnings`` say what of the file is lost or damaged, ``notes`` what was chosen and mended without loss.
    """

    sha256: str
    duration_us: int
    width_px: int
    height_px: int
    fps: float
    variable_frame_rate: bool
    has_video: bool
    has_audio: bool
    video_start_us: int
    audio_start_us: int
    rotation_deg: int = 0
    video_codec: str | None = None
    audio_codec: str | None = None
    subtitle_streams: tuple[SubtitleStream, ...] = ()
    warnings: tuple[str, ...] = ()
    clock_zero_us: int = 0  # the container's own time at which the media clock reads 0
    video_index: int | None = None  # which streams of the container are meant
    audio_index: int | None = None
    audio_language: str | None = None
    notes: tuple[str, ...] = ()
    longest_gap_us: int = 0  # longest time without a new frame, from 0 to the end
    shapes: tuple[PictureShape, ...] = ()  # all of them where size or pixel shape changes midway
    hdr: bool = False  # HLG or PQ: to be tone-mapped before anything looks at it


@dataclass(frozen=True, slots=True)
class Scores:
    """A distribution over the canonical emotions (``labels.EMOTIONS`` order).

    ``probabilities`` and ``unmapped`` together sum to 1: mass on native labels without a canonical
    emotion is kept apart instead of being thrown into neutral.
    """

    probabilities: tuple[float, ...]
    unmapped: float = 0.0
    native: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observation:
    """What one modality says about one stretch of time (a sampled frame, a window, an utterance).

    ``scores`` may be smoothed over time; ``raw`` then keeps what the model said. ``quality`` in [0, 1]
    is how far the input could be trusted, not how sure the model was. ``evidence`` holds JSON values
    (``box`` = [x, y, width, height] in display pixels, for instance).
    """

    modality: str
    span: Span
    status: Status
    scores: Scores | None = None
    raw: Scores | None = None
    subject: str | None = None
    quality: float = 0.0
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.status is Status.OK) != (self.scores is not None):
            raise ValueError(f"status {self.status} and scores {self.scores} contradict each other")
        if self.raw == self.scores:  # as of every observation that nothing smoothed: held once, not twice
            object.__setattr__(self, "raw", self.scores)


@dataclass(frozen=True, slots=True)
class Word:
    """``probability`` is the recogniser's; None for words nobody recognised."""

    span: Span
    text: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech with its words. ``source`` says where the text came from.

    ``confidence`` in [0, 1] is the expected fraction of its words that are right; None for words that were
    written by a person.
    """

    span: Span
    text: str
    language: str | None
    source: str
    words: tuple[Word, ...] = ()
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    compression_ratio: float | None = None
    speaker: str | None = None  # as the subtitles name them, else as the voice is called (``Turn``)
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch in which one voice speaks; where two speak at once, the one that fits better.

    ``speaker`` is S1, S2, … by first appearance; ``confidence`` in [0, 1] is how sure it is this voice.
    """

    span: Span
    speaker: str
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Bound:
    """Whose voice a speaker's is: a ``subject`` of a ``modality`` that shows mouths, or None for off screen.

    ``confidence`` in [0, 1] is the posterior of it; ``seen_us`` how long a mouth was in view while that voice
    spoke, 0 where nothing but the want of mouths speaks for it.
    """

    speaker: str
    subject: str | None
    confidence: float
    modality: str | None = None
    seen_us: int = 0


@dataclass(frozen=True, slots=True)
class Transcript:
    """All utterances of a video in order, and what was dropped on the way.

    ``note`` is for the person who runs it; each of ``losses`` is a sentence about what could not be read.
    """

    utterances: tuple[Utterance, ...]
    status: Status
    source: str
    language: str | None = None
    dropped_over_silence: int = 0
    note: str = ""
    losses: tuple[str, ...] = ()
    language_probability: float | None = None  # None: given, or not estimated


@dataclass(frozen=True, slots=True)
class Reading:
    """One modality summed up over a moment."""

    status: Status
    scores: Scores | None = None
    quality: float = 0.0
    coverage: float = 0.0
    subject: str | None = None
    samples: int = 0
    doubtful: bool = False  # the words may be invented


@dataclass(frozen=True, slots=True)
class Moment:
    """What the modalities say about one stretch of time; moments tile the video."""

    span: Span
    utterance: Utterance | None
    by_modality: Mapping[str, Reading]


@dataclass(frozen=True, slots=True)
class Fused:
    """The joint reading of one moment and the share each modality had in it."""

    span: Span
    scores: Scores | None
    weights: Mapping[str, float]


ConflictKind = Literal["polarity", "blend", "masking"]
ALARMS: tuple[ConflictKind, ...] = ("polarity", "blend")  # masking is information, not an alarm


@dataclass(frozen=True, slots=True)
class State:
    """The most probable state of a person, and its probability."""

    emotion: str
    probability: float


@dataclass(frozen=True, slots=True)
class Conflict:
    """A stretch in which two modalities disagree.

    ``strength`` in [0, 1] is how far apart they are; ``evidence`` the Bayes factor of two different states
    against one shared one; ``confidence`` in [0, 1] the posterior of this kind of conflict, ``prior`` what it
    was before anything was seen. ``label`` is a reading worded as a hypothesis, ``rule`` what made it fire.
    ``vanishes`` holds, per modality, the greatest share of the trust in it with which nothing would be
    flagged; a modality whose doubt alone would not do is not in it.
    """

    span: Span
    kind: ConflictKind
    modalities: tuple[str, ...]
    strength: float
    confidence: float
    label: str
    emotions: Mapping[str, str] = field(default_factory=dict)
    evidence: float = 1.0
    rule: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # who must show one of which emotions
    probabilities: Mapping[str, float] = field(default_factory=dict)  # of its emotion, by modality
    best_us: int | None = None  # where it is plainest
    words: str = ""
    fused: State | None = None  # how all channels read together
    without: Mapping[str, State] = field(default_factory=dict)  # how the others read when one is left out
    vanishes: Mapping[str, float] = field(default_factory=dict)
    prior: float | None = None


@dataclass(frozen=True, slots=True)
class Abstention:
    """Why a channel, or a pair of channels, was not held against another over a stretch of film."""

    span: Span
    modalities: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Reliability:
    """How a model answered on labelled data it was not trained on; both in the order of ``labels.EMOTIONS``.

    ``confusion`` (7, 7) is P(answer | truth) with the truth in rows, each summing to 1; ``answers`` (7,) the
    mean probability it gave each emotion.
    """

    confusion: tuple[tuple[float, ...], ...]
    answers: tuple[float, ...]
    n: int
    data: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is: enough to name it, verify its bytes and read its output."""

    id: str
    modality: str
    revision: str
    sha256: str
    licence: str
    labels: tuple[str, ...]
    canonical: Mapping[str, str | None]
    temperature: float = 1.0
    languages: tuple[str, ...] = ()
    source: str = ""
    notes: str = ""
    reliability: Reliability | None = None  # None: never measured


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Analysis:
    """Everything found in one video: the one record every writer reads, shared by those that read at once."""

    name: str
    media: MediaInfo
    modalities: tuple[str, ...]
    transcript: Transcript
    observations: Mapping[str, tuple[Observation, ...]]
    moments: tuple[Moment, ...]
    fused: tuple[Fused, ...]
    conflicts: tuple[Conflict, ...]
    false_alarms_per_minute: float | None
    models: Mapping[str, ModelCard]
    warnings: tuple[str, ...] = ()
    schema_version: int = 2
    abstentions: tuple[Abstention, ...] = ()
    operating_point: float = 0.0  # evidence at which a conflict began: B / (1 + B) of its Bayes factor B
    operating_point_asked: float = 0.0  # the settings' own, raised where chance would give too many alarms
    turns: tuple[Turn, ...] = ()  # by voice; none where it was not estimated
    bindings: tuple[Bound, ...] = ()  # of the speakers, whose voices they are

"""Back-ends asked about labelled examples: nothing guessed, nothing lost, the same inputs as in a film."""

import wave
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest

from pipeline.face.backends import Detection
from pipeline.face.crop import MARGIN
from pipeline.face.geometry import HAAR_SHARE
from pipeline.labels import EMOTIONS, canonical_map, to_scores
from pipeline.media.waveform import read_waveform
from pipeline.train import inputs, score
from pipeline.train.examples import DataError, Example, LabelledSet
from pipeline.train.face_report import as_crop
from pipeline.train.inputs import How
from pipeline.types import ModelCard

RATE_HZ = 16_000


def labelled(modality, root, rows, unmapped=None):
    return LabelledSet(modality, root, tuple(Example(*row) for row in rows), unmapped or {})


def write_clip(path, seconds, seed=0, rate_hz=RATE_HZ, channels=1):
    noise = np.random.default_rng(seed).normal(0, 3000, (round(seconds * rate_hz), channels))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(noise.astype("<i2").tobytes())


@dataclass
class Listener:
    """A voice back-end that keeps what it was given; loud windows are angry, others sad."""

    labels: tuple[str, ...] = ("angry", "sad")
    temperature: float = 1.0
    windows: list[int] = field(default_factory=list)

    @property
    def card(self):
        return ModelCard("m", "voice", "", "", "", self.labels, canonical_map(self.labels), self.temperature)

    def __call__(self, windows, speech):
        self.windows += [window.size for window in windows]
        logits = [np.array([np.abs(w).mean() * 20, 0.5]) / self.temperature for w in windows]
        return [to_scores(self.labels, np.exp(x) / np.exp(x).sum(), self.card.canonical) for x in logits]


@dataclass
class Onlooker:
    """A face back-end that favours its last label."""

    labels: tuple[str, ...]

    @property
    def card(self):
        return ModelCard("m", "face", "", "", "", self.labels, canonical_map(self.labels))

    def __call__(self, crops):
        rest = len(self.labels) - 1
        return [to_scores(self.labels, [0.1 / rest] * rest + [0.9], self.card.canonical) for _ in crops]


def test_a_given_face_is_the_crop_that_the_training_reports_measure():
    face = np.random.default_rng(1).integers(0, 256, (48, 48), np.uint8)
    coloured = np.repeat(face[:, :, None], 3, axis=2)
    assert np.array_equal(inputs.given_crop(coloured), as_crop(face))


def test_a_face_that_is_no_square_keeps_its_shape_in_the_middle():
    face = np.random.default_rng(1).integers(0, 256, (60, 40, 3), np.uint8)
    crop = inputs.given_crop(face)
    assert crop.shape == (84, 84, 3)
    assert np.array_equal(crop[12:72, 22:62], face)
    assert np.array_equal(crop[12:72, 0], face[:, 0])


def test_examples_the_model_has_no_label_for_are_left_out_and_counted(tmp_path):
    backend = Onlooker(("happy", "sad", "contempt"))
    for name in "abc":
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((30, 30, 3), 90, np.uint8))
    rows = [("a.png", "happy"), ("b.png", "disgust"), ("c.png", "sad"), ("gone.png", "sad")]
    seen = []
    examples = labelled("face", tmp_path, rows, {"contempt": 2})
    answers = score.ask(backend, examples, How(), lambda done, total: seen.append((done, total)))
    assert answers.names == ("a.png", "c.png")
    assert answers.truth.tolist() == [EMOTIONS.index("happy"), EMOTIONS.index("sad")]
    assert answers.labels == ("happy", "sad")
    assert answers.skipped == {
        "labelled contempt, none of the seven": 2,
        "labelled disgust, for which the model has no label": 1,
        "the file cannot be read": 1,
    }
    assert (answers.probabilities.sum(axis=1) < 0.2).all(), "mass outside the seven is kept apart"
    assert sorted(seen) == [(1, 3), (2, 3), (3, 3)]


def test_when_nothing_can_be_answered_the_reasons_are_said(tmp_path):
    with pytest.raises(DataError, match=r"2, the file cannot be read \(a\.wav, b\.wav\)"):
        score.ask(Listener(), labelled("voice", tmp_path, [("a.wav", "sad"), ("b.wav", "angry")]), How())


def test_faces_are_found_in_photos(tmp_path):
    from skimage import data

    cv2.imwrite(str(tmp_path / "portrait.png"), data.astronaut()[:, :, ::-1])
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((256, 256, 3), 90, np.uint8))
    rows = [("wall.png", "sad", "x"), ("portrait.png", "happy", "y")]
    answers = score.score("compact", labelled("face", tmp_path, rows), "cpu", detect=True)
    assert answers.skipped == {"no face was found": 1}
    assert answers.names == ("portrait.png",) and answers.groups.tolist() == ["y"]
    crop = inputs.read_face(tmp_path / "portrait.png", inputs.face_detector())
    whole = inputs.read_face(tmp_path / "portrait.png", None)
    assert max(crop.shape) <= inputs.FACE_PX < max(whole.shape)


def test_texts_in_other_languages_are_not_guessed(tmp_path):
    rows = [("今天真是太开心了", "happy"), ("Сегодня очень грустный день", "sad"), ("  ", "sad")]
    answers = score.score("compact", labelled("text", tmp_path, rows), "cpu")
    assert answers.names == ("今天真是太开心了",)
    assert answers.skipped == {
        "in a language the model does not read": 1,
        "the text is empty": 1,
    }


def test_a_given_language_is_believed(tmp_path):
    examples = labelled("text", tmp_path, [("123 !", "happy"), ("哈哈", "happy")])
    assert len(score.score("compact", examples, "cpu", language="zh-TW").names) == 2


def test_any_sound_becomes_mono_at_16_khz(tmp_path):
    write_clip(tmp_path / "a.wav", 1.5, rate_hz=44_100, channels=2)
    heard = read_waveform(tmp_path / "a.wav")
    assert heard.dtype == np.float32 and heard.ndim == 1
    assert heard.size == pytest.approx(1.5 * RATE_HZ, abs=20)
    (tmp_path / "b.wav").write_bytes(b"no sound")
    with pytest.raises(ValueError, match=r"b\.wav"):
        read_waveform(tmp_path / "b.wav")


def test_short_clips_are_counted_and_long_ones_read_in_equal_pieces(tmp_path):
    write_clip(tmp_path / "short.wav", 0.1)
    write_clip(tmp_path / "long.wav", 40)
    write_clip(tmp_path / "usual.wav", 2)
    backend = Listener()
    rows = [("short.wav", "sad"), ("long.wav", "angry"), ("usual.wav", "angry")]
    answers = score.ask(backend, labelled("voice", tmp_path, rows), How())
    assert answers.skipped == {inputs.TOO_SHORT: 1}
    assert len(backend.windows) == 4 and max(backend.windows) <= inputs.LONGEST_S * RATE_HZ
    assert sum(backend.windows) == 42 * RATE_HZ
    assert answers.probabilities.sum(axis=1) == pytest.approx(1)


def test_a_known_speaker_is_heard_from_all_clips_and_order_is_kept(tmp_path):
    rows = []
    for i in range(6):
        write_clip(tmp_path / f"{i}.wav", 1.0 + i / 4, seed=i)
        rows.append((f"{i}.wav", "angry", ("x", "", "y")[i % 3]))
    examples = labelled("voice", tmp_path, rows)
    plain = score.score("compact", examples, "cpu")
    known = score.score("compact", examples, "cpu", known_speaker=True)
    assert known.names == plain.names == tuple(row[0] for row in rows)
    same = (known.probabilities == plain.probabilities).all(axis=1)
    assert same.tolist() == [False, True, False, False, True, False], "nobody is known under no name"
    own = labelled("voice", tmp_path, [row for row in rows if row[2] == "x"])
    alone = score.score("compact", own, "cpu", known_speaker=True)
    assert np.array_equal(alone.probabilities, known.only(known.groups == "x").probabilities)


def test_a_backend_that_knows_no_speakers_is_asked_as_usual(tmp_path):
    write_clip(tmp_path / "a.wav", 1)
    answers = score.ask(
        Listener(), labelled("voice", tmp_path, [("a.wav", "angry", "x")]), How(known_speaker=True)
    )
    assert len(answers.names) == 1


def test_answers_before_the_temperature_are_those_of_a_card_without_one(tmp_path):
    write_clip(tmp_path / "a.wav", 1)
    examples = labelled("voice", tmp_path, [("a.wav", "angry")])
    cooled = score.ask(Listener(temperature=3.0), examples, How())
    plain = score.ask(Listener(), examples, How())
    assert plain.uncalibrated is None
    assert cooled.uncalibrated == pytest.approx(plain.probabilities)
    assert cooled.probabilities != pytest.approx(plain.probabilities)


def test_entropy_is_in_bits():
    answers = score.Answers(
        ("a", "b"),
        np.array([0, 1]),
        np.array([np.eye(7)[0], np.full(7, 1 / 7)]),
        np.array(["", ""]),
    )
    assert answers.entropy_bits == pytest.approx([0, np.log2(7)], abs=1e-6)
    assert replace(answers).confidence == pytest.approx([1, 1 / 7])


@pytest.mark.data
@pytest.mark.parametrize(
    ("modality", "name", "key"),
    [
        ("voice", "ravdess", "ravdess"),
        ("text", "zh_ewect_usual", "ewect"),
        ("text", "en_meld", "meld, known to be speech"),
    ],
)
def test_the_figures_of_the_cards_are_found_again(modality, name, key, tmp_path, data_root):
    import pandas as pd

    from pipeline.models.cards import shipped_report
    from pipeline.train.evaluate import evaluation, figures
    from pipeline.train.examples import read_examples
    from pipeline.train.score import metrics_of

    source = data_root / {"voice": "voice/manifest.csv", "text": f"text/{name}.csv"}[modality]
    rows = pd.read_csv(source, dtype=str)
    chosen = (rows["split"] == "test") & ((rows["set"] == name) if "set" in rows else True)
    rows[chosen].to_csv(tmp_path / "test.csv", index=False)
    examples = read_examples(modality, tmp_path / "test.csv", root=source.parent)
    language, spoken = name[:2], key.endswith("speech")
    result = evaluation(
        "compact", examples, "cpu", by_groups=modality == "voice", language=language, spoken=spoken
    )
    report = shipped_report(f"{modality}_compact").metrics
    found = {key: result.plain}
    if modality == "voice":
        found = {f"{key}.plain": result.plain, f"{key}.speaker_normalised": result.known_speaker}
    for place, answers in found.items():
        for figure in ("n", "accuracy", "uar", "macro_f1", "weighted_f1", "ece"):
            assert figures(metrics_of(answers))[figure] == pytest.approx(report[place][figure], abs=2e-3)


@dataclass
class Detector:
    """Finds the given boxes; vouches for the first alone; sees nothing in a small picture."""

    boxes: list[tuple[float, float, float, float]]
    least_px: int = 0

    def scan(self, image, side_px):
        return [Detection(box, 0.5) for box in self.boxes] if side_px >= self.least_px else []

    def vouch(self, image, box):
        return box == self.boxes[0]


@pytest.mark.parametrize(
    ("boxes", "least_px", "side_px"),
    [
        ([(10, 10, 40, 40), (60, 60, 90, 90)], 0, 40),  # the second is doubtful
        ([(60, 60, 90, 90)], 0, 90),  # doubtful, but there is no other
        ([(10, 10, 40, 40)], 900, 40),  # too small to be seen at the size films are looked at
    ],
)
def test_the_main_face_is_taken(boxes, least_px, side_px, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((600, 1000, 3), 90, np.uint8))
    crop = inputs.read_face(tmp_path / "a.png", Detector(boxes, least_px))
    assert len(crop) == round(side_px / HAAR_SHARE * MARGIN)

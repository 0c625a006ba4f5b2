"""Training on a few made sentences: the files it leaves, and that use and training agree."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn")

from pipeline.labels import top
from pipeline.models.cards import TrainingReport, file_sha256
from pipeline.records import read_record
from pipeline.text.compact import load_file
from pipeline.text.featurise import tokens
from pipeline.train.text import steps, train, write_arrays
from pipeline.train.text_data import read_source
from pipeline.train.text_linear import LinearPart
from pipeline.train.text_net import (
    NetSettings,
    Rows,
    logits_of,
    quantise,
    to_onnx,
    token_vocabulary,
    train_net,
)
from pipeline.types import ModelCard

WORDS = {
    "happy": ("开心", "高兴", "glad", "lovely"), "angry": ("生气", "滚蛋", "furious", "hate"),
    "sad": ("难过", "伤心", "cry", "lonely"), "neutral": ("桌子", "今天", "table", "monday"),
}  # fmt: skip
NET = {
    "embedding": 8, "pairs": 4, "min_texts": 1, "min_pair_texts": 2, "window": 3, "hidden": 6,
    "input_dropout": 0.1, "dropout": 0.1, "epochs": 8, "batch_size": 8, "learning_rate": 0.02,
    "smoothing": 0.0, "balance": [0.0, 0.5], "strip_share": 0.5, "readers": 2, "means": 5,
    "token_dropout": 0.05,
    "language_model": {
        "epochs": 1, "batch_size": 8, "learning_rate": 0.01, "negatives": 20, "dropout": 0.1,
    },
}  # fmt: skip
CONVOLUTIONS = {
    "embedding": 8, "channels": 4, "widths": [1, 2], "dropout": 0.1, "epochs": 2, "batch_size": 8,
    "learning_rate": 0.01, "smoothing": 0.0, "balance": [0.0, 0.5], "strip_share": 0.5, "token_levels": 15,
}  # fmt: skip


def language(net: dict[str, object], *registers: str) -> dict[str, object]:
    linear = {"c": [10.0, 10.0], "balance": [0.5, 0.5], "gate_c": 1.0, "gate_shift": 0.0, "keep": 500}
    return {"registers": list(registers), "hold": 0.01, "tilt": [0.0, 0.1], "linear": linear, "net": net}


CONFIG = {
    "seed": 1,
    "zh": language(NET, "ewect", "emotiontalk"),
    "en": language(CONVOLUTIONS, "goemotions", "meld"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files shaped like the real ones: a word says the emotion, a filler says the register."""
    root = tmp_path_factory.mktemp("data")
    files = {
        "text/zh_ewect_usual.csv": ("text,emotion,split", "转发微博{0}了{1}", slice(0, 2), "dev"),
        "conflict/zh_emotiontalk_labels.csv": (
            "transcript,text_label,split", "[over/]那个[/over]我说{0}嘛{1}。", slice(0, 2), "val",
        ),
        "text/en_goemotions_ekman.csv": ("text,emotions,split", "this post {0} lol {1}", slice(2, 4), "dev"),
        "text/en_meld.csv": ("text,emotion,split", "well you know I am {0} okay {1}", slice(2, 4), "dev"),
    }  # fmt: skip
    for name, (header, pattern, which, dev) in files.items():
        lines = [header]
        for split in ("train", dev, "test"):
            for i in range(6):
                for emotion, words in WORDS.items():
                    text = pattern.format(words[which][i % 2], "abcdef"[i])
                    lines.append(f"{text},{emotion},{split}")
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            "\n".join([*lines, "two at once,happy|sad,train" if "go" in name else ""]), encoding="utf-8"
        )
    return root


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    train(data, out, CONFIG)
    return out


def test_it_leaves_weights_card_and_report(trained: Path) -> None:
    card = read_record(trained / "text_compact.card.json", ModelCard)
    report = read_record(trained / "text_compact.report.json", TrainingReport)
    assert card.sha256 == file_sha256(trained / "text_compact.npz")
    assert card.languages == ("zh", "en")
    assert report.metrics["ewect"]["accuracy"] == 1
    assert report.metrics["ewect, traditional characters"]["accuracy"] == 1
    assert set(report.metrics) >= {"ewect", "emotiontalk", "goemotions", "meld", "meld, known to be speech"}
    assert "ewect, known to be speech" not in report.metrics
    assert not list(trained.glob("*.partial"))


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [("我說高興嘛", "zh", "happy"), ("转发微博难过了", "zh", "sad"), ("I am furious", "en", "angry")],
)
def test_what_it_learnt_can_be_used(trained: Path, text: str, code: str, expected: str) -> None:
    card = read_record(trained / "text_compact.card.json", ModelCard)
    (scores,) = load_file(card, trained / "text_compact.npz")([text], [code])
    assert scores is not None
    assert top(scores)[0] == expected


def test_a_second_run_gives_the_same_bytes(data: Path, trained: Path, tmp_path: Path) -> None:
    train(data, tmp_path, CONFIG)
    assert (tmp_path / "text_compact.npz").read_bytes() == (trained / "text_compact.npz").read_bytes()


def test_no_net_learns_from_texts_of_dev_or_test(data: Path, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "other")
    for name in ("text/zh_ewect_usual.csv", "conflict/zh_emotiontalk_labels.csv"):
        path = tmp_path / "other" / name
        lines = path.read_text(encoding="utf-8").splitlines()
        held = [line if line.endswith(("train", "split")) else line.replace("了", "呀") for line in lines]
        held = [line if line.endswith(("train", "split")) else line.replace("嘛", "呀") for line in held]
        assert held != lines
        path.write_text("\n".join(held), encoding="utf-8")
    train(tmp_path / "other", tmp_path, {"seed": 1, "zh": CONFIG["zh"]})
    before, after = (np.load(folder / "text_compact.npz") for folder in (trained, tmp_path))
    for name in ("zh_token_steps", "zh_embedding", "zh_pair_embedding", "zh_convolution", "zh_columns"):
        assert np.array_equal(before[name], after[name]), name


def test_marks_of_the_transcript_and_rows_with_two_emotions_are_left_out(data: Path) -> None:
    assert "over" not in read_source(data, "emotiontalk")["train"].words[0]
    assert len(read_source(data, "goemotions")["train"].labels) == 24
    assert set(read_source(data, "emotiontalk")) == {"train", "dev", "test"}


def test_the_exported_graph_says_what_the_net_says() -> None:
    import onnxruntime
    import torch

    texts = [
        tokens(text, "en") for text in ("so glad", "i am so very glad today", "no", "a b c d e f g h i j k")
    ]
    vocabulary = token_vocabulary(texts, min_texts=1)
    settings = NetSettings(8, 4, (1, 2, 3, 4, 5), 0.1, 1, 2, 0.01, 0.0, (0.0, 0.0), 0.0)
    rows = [Rows(texts, np.array([3, 3, 0, 6]), False), Rows(texts, np.array([3, 3, 0, 6]), True)]
    torch.set_num_threads(1)
    net = train_net(rows, vocabulary, settings, seed=3)
    together = logits_of(net, texts, vocabulary)
    session = onnxruntime.InferenceSession(to_onnx(net), providers=["CPUExecutionProvider"])
    weight = net.embedding.weight.detach().numpy()
    for i, words in enumerate(texts):
        places = np.searchsorted(vocabulary, [int(h) for h in _hashes(words)]) + 2
        (alone,) = session.run(None, {"tokens": weight[places].T[None].astype(np.float32)})
        assert np.allclose(alone.reshape(2, 7), together[i], atol=1e-5)


def _hashes(words: list[str]) -> np.ndarray:
    from pipeline.text.featurise import token_hashes

    return token_hashes(words)


def test_int8_columns_keep_the_weights_to_within_half_a_step() -> None:
    rng = np.random.default_rng(0)
    part = LinearPart(np.arange(50, dtype=np.uint32), rng.normal(size=(50, 15)), np.zeros(15))
    columns, scale = part.quantised()
    assert np.abs(columns * scale - part.weights).max() <= scale.max() * 0.51
    assert np.abs(columns).max() == 127


def test_hash_steps_add_up_again() -> None:
    hashes = np.array([3, 70_000, 4_294_967_295], dtype=np.uint32)
    assert np.cumsum(steps(hashes), dtype=np.uint32).tolist() == hashes.tolist()


def test_equal_arrays_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_arrays(tmp_path / name, {"x": np.arange(5)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert np.load(io.BytesIO((tmp_path / "a.npz").read_bytes()))["x"].tolist() == [0, 1, 2, 3, 4]


def test_rounding_stays_near_and_within_its_levels() -> None:
    layer = torch.nn.Embedding(400, 3)
    before = layer.weight.detach().numpy().copy()
    rounded, scale = quantise(layer, 7)
    assert np.abs(rounded).max() <= 7
    assert np.allclose(layer.weight.detach().numpy(), rounded * scale)
    assert np.square(layer.weight.detach().numpy() - before).mean() < 0.03

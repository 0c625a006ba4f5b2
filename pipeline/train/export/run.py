"""A model into other formats, each read back from its files and compared with the original."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pipeline.models.cards import one_sentence
from pipeline.records import write_record
from pipeline.train.examples import LabelledSet
from pipeline.train.export.compare import (
    TIMED,
    Floats,
    batch_difference,
    difference,
    milliseconds,
    require_agreement,
)
from pipeline.train.export.formats import (
    EXACT,
    FORMATS,
    INT8,
    ONNX_SUFFIX,
    STEM,
    Reloaded,
    Written,
    onnx_files,
    opset_of,
)
from pipeline.train.export.info import (
    INFO_FILE,
    FormatInfo,
    ModelInfo,
    Original,
    about,
    digests,
    processor,
    versions,
)
from pipeline.train.export.inputs import divided, first, made_inputs
from pipeline.train.export.int8 import INT8_SUFFIX, Candidate, chosen, plain_graphs, quantised, ways
from pipeline.train.export.part import (
    ExportError,
    Feed,
    Listening,
    Put,
    Subject,
    recorded,
    torch_run,
)
from pipeline.train.export.subject import opened
from pipeline.train.inputs import How
from pipeline.train.score import ask

COMPARED = 500

Show = Callable[[str], None]  # told what is being done


@dataclass(frozen=True)
class Answered:
    """Native probabilities (n, labels), and the share of right answers where the truth is known."""

    rows: Floats
    accuracy: float | None


def check_formats(formats: Sequence[str]) -> None:
    """Raises ExportError: one of them is none of ``FORMATS``."""
    unknown = [one for one in formats if one not in FORMATS]
    if unknown or not formats:
        raise ExportError(
            f"there is no format {', '.join(unknown) or '(none given)'}; offered are {', '.join(FORMATS)}"
        )


def export(
    modality: str,
    backend_name: str,
    out: Path,
    *,
    formats: Sequence[str] = FORMATS,
    labelled: LabelledSet | None = None,
    limit: int = COMPARED,
    show: Show = lambda what: None,
) -> ModelInfo:
    """Write the formats and ``model_info.json`` into ``out``, whole or not at all; what was there goes.

    Args:
        modality: ``face``, ``voice`` or ``text``.
        backend_name: a name of the modality's ``BACKENDS``, a folder or a hub id.
        out: the folder to make.
        formats: some of ``FORMATS``.
        labelled: what to compare on, and to calibrate with; without it, on made inputs.
        limit: at most so many labelled examples are compared.
        show: told what is being done.

    Raises:
        ModelError: the back-end cannot be used.
        ExportError: no such format, ``out`` holds something else, or an export does not agree.
        DataError: not one example could be answered.
    """
    check_formats(formats)
    with one_thread(), fresh_folder(out) as folder:
        show(f"asking {backend_name}")
        compared, calibration = (None, None) if labelled is None else divided(labelled, limit)
        subject = opened(modality, backend_name, _first_inputs(modality, compared))
        lacking = [part.name for part in subject.parts if not part.feeds]
        if lacking:
            raise ExportError(f"no made input suits the model ({', '.join(lacking)}); give --data")
        original = answered(subject.backend, modality, compared)
        for name, arrays in subject.side_files.items():
            np.savez_compressed(folder / name, allow_pickle=False, **arrays)
        made: dict[str, FormatInfo] = {}
        for name in dict.fromkeys(formats):
            show(name)
            if name == INT8:
                made[name] = _int8(subject, folder, original, compared, calibration)
            else:
                write, read = EXACT[name]
                written = write(subject, folder)
                again = read(subject, folder)
                made[name], _ = _measured(subject, folder, written, again, (original, compared))
                require_agreement(name, made[name].max_difference)
        info = ModelInfo(
            model=about(subject),
            compared_on=_words(compared, calibration, INT8 in made),
            inputs_compared=len(original.rows),
            original=Original(subject.weights_bytes, milliseconds(subject, subject.runs), original.accuracy),
            formats=made,
            sha256=digests(folder),
            versions=versions(),
            processor=processor(),
        )
        write_record(folder / INFO_FILE, info)
    return info


def answered(backend: Any, modality: str, labelled: LabelledSet | None) -> Answered:
    """What a back-end says about the labelled examples, or about the made inputs."""
    listening = Listening(backend)
    if labelled is None:
        made_inputs(modality)(listening)
        return Answered(np.array(listening.rows), None)
    answers = ask(listening, labelled, How())
    return Answered(np.array(listening.rows), float((answers.predicted == answers.truth).mean()))


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread, so that times can be compared and sums keep their order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def fresh_folder(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` that takes its place when all went well and is gone otherwise.

    Raises:
        ExportError: ``out`` is neither new, nor empty, nor an export.
    """
    if out.exists() and not (out / INFO_FILE).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise ExportError(f"{out} holds something else than an export; give another --out")
    out = out.resolve()  # the name of "." is empty
    part, old = (out.with_name(f".{out.name}{suffix}") for suffix in (".part", ".old"))
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        shutil.rmtree(old, ignore_errors=True)
        if out.exists():
            out.rename(old)
        part.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _first_inputs(modality: str, labelled: LabelledSet | None) -> Put:
    def put(backend: Any) -> None:
        made_inputs(modality)(backend)
        if labelled is not None:
            ask(backend, first(labelled, TIMED), How())

    return put


def _measured(
    subject: Subject,
    folder: Path,
    written: Written,
    again: Reloaded,
    against: tuple[Answered, LabelledSet | None],
) -> tuple[FormatInfo, float]:
    """How a reloaded format does, and the mean difference of its probabilities."""
    original, labelled = against
    answers = answered(again.backend, subject.modality, labelled)
    largest, mean, same = difference(original.rows, answers.rows)
    graphs = [folder / name for name in written.files if name.endswith(".onnx")]
    known = original.accuracy is not None and answers.accuracy is not None
    info = FormatInfo(
        files=written.files,
        size_bytes=sum((folder / name).stat().st_size for name in written.files),
        milliseconds=milliseconds(subject, again.runs),
        max_difference=max(largest, batch_difference(subject, again.runs)),
        same_top=same,
        accuracy=answers.accuracy,
        accuracy_lost=original.accuracy - answers.accuracy if known else None,  # type: ignore[operator]
        opset=max(map(opset_of, graphs)) if graphs else None,
        notes=written.notes,
    )
    return info, mean


def _int8(
    subject: Subject,
    folder: Path,
    original: Answered,
    labelled: LabelledSet | None,
    calibration: LabelledSet | None,
) -> FormatInfo:
    """Quantise in every way there is, keep the files of one."""
    feeds = _calibration_feeds(subject, calibration)
    names = tuple(part.file(STEM, INT8_SUFFIX) for part in subject.parts)
    measured: dict[str, tuple[FormatInfo, Candidate]] = {}
    with TemporaryDirectory(dir=folder) as scratch:
        plain = Path(scratch)
        plain_graphs(subject, plain)
        plain_bytes = sum(path.stat().st_size for path in plain.iterdir())
        plain_ms = milliseconds(subject, onnx_files(subject, plain, ONNX_SUFFIX).runs)
        failed: list[str] = []
        made: dict[str, Path] = {}
        for way, types in ways(subject, plain, bool(feeds)).items():
            try:
                made[way] = quantised(subject, plain, way, types, feeds)
                again = onnx_files(subject, made[way], INT8_SUFFIX)
            except Exception as error:  # the quantiser raises what the step it fails at raises
                failed.append(f"{way}: failed ({one_sentence(error)})")
                continue
            info, mean = _measured(subject, made[way], Written(names, (way,)), again, (original, labelled))
            measured[way] = (
                info,
                Candidate(way, info.size_bytes, info.milliseconds, info.max_difference, mean, info.same_top),
            )
        if not measured:
            raise ExportError(
                f"nothing in {subject.name} can be quantised to 8 bits; ask for --formats {','.join(EXACT)}"
            )
        best = chosen([one for _, one in measured.values()], plain_bytes, plain_ms).way
        for name in names:
            shutil.copyfile(made[best] / name, folder / name)
    kept, tried = measured[best][0], tuple(one for _, one in measured.values())
    return replace(kept, notes=(*kept.notes, *failed), candidates=tried)


def _calibration_feeds(subject: Subject, labelled: LabelledSet | None) -> Mapping[str, Sequence[Feed]]:
    """Inputs of the graphs for calibration examples; none unless every graph has some."""
    if labelled is None or not labelled.examples:
        return {}
    runs = {part.name: torch_run(part.module, [one.name for one in part.inputs]) for part in subject.parts}
    feeds = recorded(subject.plug, runs, lambda backend: ask(backend, labelled, How()))
    return feeds if all(feeds.values()) else {}


def _words(labelled: LabelledSet | None, calibration: LabelledSet | None, quantised: bool) -> str:
    if labelled is None or calibration is None:
        return "made inputs, always the same"
    kept = (
        f"; {len(calibration.examples)} others were kept for calibrating 8-bit weights" if quantised else ""
    )
    return f"{len(labelled.examples)} labelled examples, evenly spaced over the data{kept}"

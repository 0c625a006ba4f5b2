"""The formats a model is exported to: how each is written, and read back from its file."""

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from pipeline.models.session import session
from pipeline.train.export.part import (
    ExportError,
    Feed,
    Part,
    Run,
    Subject,
    doubled,
    session_run,
    torch_run,
)

OPSET = 20
# They say that torchvision is not installed, and that a classifier names no loss.
TALKING = ("torch.onnx._internal.exporter._registration", "transformers.modeling_utils")
STEM = "model"
PYTORCH, TORCHSCRIPT, ONNX, INT8 = "pytorch", "torchscript", "onnx", "onnx-int8"
PYTORCH_FOLDER, TORCHSCRIPT_SUFFIX, ONNX_SUFFIX = "pytorch", ".torchscript.pt", ".onnx"


@dataclass(frozen=True)
class Reloaded:
    """An export as read back: the back-end with it inside, and its graphs by name of the part."""

    backend: Any
    runs: Mapping[str, Run]


@dataclass(frozen=True)
class Written:
    """Files of an export, relative to its folder, and what there is to say about how they were made."""

    files: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


def write_pytorch(subject: Subject, folder: Path) -> Written:
    """A Transformers folder, or state dicts with graph and card for our own models."""
    subject.save(folder / PYTORCH_FOLDER)
    files = sorted(path for path in (folder / PYTORCH_FOLDER).rglob("*") if path.is_file())
    return Written(tuple(str(path.relative_to(folder)) for path in files))


def read_pytorch(subject: Subject, folder: Path) -> Reloaded:
    """From the folder alone, as a back-end by itself."""
    backend, modules = subject.load(folder / PYTORCH_FOLDER)
    names = {part.name: [one.name for one in part.inputs] for part in subject.parts}
    return Reloaded(backend, {name: torch_run(module, names[name]) for name, module in modules.items()})


def write_torchscript(subject: Subject, folder: Path) -> Written:
    """One traced file a part."""
    for part in subject.parts:
        with tracing(), torch.inference_mode():
            traced = torch.jit.trace(part.module, _example(part), check_trace=False, strict=False)
            traced.save(str(folder / part.file(STEM, TORCHSCRIPT_SUFFIX)))
    return Written(_files(subject, TORCHSCRIPT_SUFFIX))


def read_torchscript(subject: Subject, folder: Path) -> Reloaded:
    """From the files."""
    runs = {}
    for part in subject.parts:
        with tracing():
            module = torch.jit.load(str(folder / part.file(STEM, TORCHSCRIPT_SUFFIX)), map_location="cpu")
        runs[part.name] = torch_run(module, [one.name for one in part.inputs])
    return Reloaded(subject.plug(runs), runs)


def write_onnx(subject: Subject, folder: Path) -> Written:
    """One file a part: the model's own where it is ONNX already."""
    notes: list[str] = []
    for part in subject.parts:
        path = folder / part.file(STEM, ONNX_SUFFIX)
        if part.onnx is None:
            notes += to_onnx(part, path)
        else:
            path.write_bytes(part.onnx)
            notes.append("the model's own file, copied")
    return Written(_files(subject, ONNX_SUFFIX), tuple(dict.fromkeys(notes)))


def read_onnx(subject: Subject, folder: Path) -> Reloaded:
    """From the files."""
    return onnx_files(subject, folder, ONNX_SUFFIX)


def onnx_files(subject: Subject, folder: Path, suffix: str) -> Reloaded:
    """ONNX files of any name."""
    runs = {part.name: session_run(session(folder / part.file(STEM, suffix))) for part in subject.parts}
    return Reloaded(subject.plug(runs), runs)


def to_onnx(part: Part, path: Path) -> list[str]:
    """Export one part; returns what to note.

    torch.export knows which sizes a graph can take and refuses to fix one in silence; the older exporter,
    which traces, is tried once where it cannot follow the model.
    """
    names = [one.name for one in part.inputs]
    axes = {
        one.name: {i: size for i, size in enumerate(one.shape) if isinstance(size, str)}
        for one in part.inputs
    }
    common: dict[str, Any] = {"input_names": names, "output_names": ["logits"], "external_data": False}
    example = _example(part)
    try:
        dims = {size: torch.export.Dim(size, min=1) for sizes in axes.values() for size in sizes.values()}
        shapes = [{i: dims[size] for i, size in axes[name].items()} for name in names]
        dynamic: Any = (tuple(shapes),) if _takes_any(part.module) else tuple(shapes)
        with tracing(), torch.no_grad():
            program = torch.onnx.export(
                part.module, example, dynamo=True, dynamic_shapes=dynamic, opset_version=OPSET, verbose=False,
                **{key: value for key, value in common.items() if key != "external_data"},
            )  # fmt: skip
            program.save(str(path), external_data=False)
        return [f"torch.onnx.export(dynamo=True), opset {OPSET}"]
    except Exception as error:  # the exporters raise what the part they choke on raises
        reason = _reason(error)
    try:
        with tracing(), torch.no_grad():
            torch.onnx.export(
                part.module, example, str(path), dynamo=False, dynamic_axes=axes, opset_version=OPSET,
                input_names=names, output_names=["logits"],
            )  # fmt: skip
    except Exception as error:
        raise ExportError(
            f"the model cannot be exported to ONNX ({_reason(error)}); ask for other --formats"
        ) from error
    return [f"torch.onnx.export(dynamo=False), opset {OPSET}; the newer exporter failed: {reason}"]


def opset_of(path: Path) -> int:
    """The opset an ONNX file is written in."""
    import onnx

    return max(int(one.version) for one in onnx.load(path).opset_import if one.domain in ("", "ai.onnx"))


def _takes_any(module: Any) -> bool:
    from inspect import Parameter, signature

    return any(one.kind is Parameter.VAR_POSITIONAL for one in signature(module.forward).parameters.values())


def _example(part: Part) -> tuple[torch.Tensor, ...]:
    """The longest example, twice: an exporter takes a size of 1 for a fixed one."""
    longest: Feed = max(part.feeds, key=lambda feed: sum(value.size for value in feed.values()))
    pair = doubled(longest, part.inputs)
    return tuple(torch.from_numpy(pair[one.name]) for one in part.inputs)


def _files(subject: Subject, suffix: str) -> tuple[str, ...]:
    return tuple(part.file(STEM, suffix) for part in subject.parts)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


@contextmanager
def tracing() -> Iterator[None]:
    """Without the warnings of torch's exporters.

    TorchScript is deprecated and says so; what it and torch.export warn of, that a trace may not hold for
    other inputs, is measured on other inputs afterwards.
    """
    talking = [logging.getLogger(name) for name in TALKING]
    levels = [one.level for one in talking]
    for one in talking:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            _ignore()
            yield
    finally:
        for one, level in zip(talking, levels, strict=True):
            one.setLevel(level)


def _ignore() -> None:
    deprecated = r".*(torch\.jit\.|legacy Torch)"
    warnings.filterwarnings("ignore", message=deprecated, category=DeprecationWarning)
    # jit looks at every property of a module, deprecated ones too.
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
    warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
    warnings.filterwarnings("ignore", module=r"torch\..*|onnxscript\..*|copyreg")


Writer = Callable[[Subject, Path], Written]
Reader = Callable[[Subject, Path], Reloaded]
EXACT: Mapping[str, tuple[Writer, Reader]] = {
    PYTORCH: (write_pytorch, read_pytorch),
    TORCHSCRIPT: (write_torchscript, read_torchscript),
    ONNX: (write_onnx, read_onnx),
}
FORMATS: Sequence[str] = (*EXACT, INT8)

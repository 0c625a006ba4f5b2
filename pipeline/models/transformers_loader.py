"""Loads a Transformers checkpoint from this machine and refuses one whose weights do not fit its head.

``from_pretrained`` fills missing weights with random numbers and only warns; a wrong head would then
answer with noise. Here a missing, left-over or misshapen weight is an error.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.models.cards import ModelError, cache_folder, one_sentence
from pipeline.models.known import check_pulled, is_hub_id

# Buffers that older library versions stored and newer ones compute.
BENIGN = re.compile(r"(^|\.)(position_ids|token_type_ids|num_batches_tracked)$")


def find_model(name: str) -> str:
    """Where the model called ``name`` (a folder or a hub id) lies on this machine.

    Looked for in this order: a folder of that name, ``cache_folder()/<name>``, the hub's own cache. What a
    pull brought is held against its digests.

    Raises:
        ModelError: it is in none of them, or a file was changed since it was pulled.
    """
    for folder in (Path(name), cache_folder() / name):
        if (folder / "config.json").is_file():
            check_pulled(folder)
            return str(folder)
    if Path(name).is_dir():
        raise ModelError(f"the folder {name} holds no config.json; give a Transformers model folder")
    if not is_hub_id(name):
        raise ModelError(
            f"{name!r} is neither a folder nor a hub id (owner/model); check the back-end's name"
        )
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(name, "config.json")
    if isinstance(cached, str):
        return str(Path(cached).parent)
    raise ModelError(f"the model {name} is not on this machine; run `emotion-pipeline models pull {name}`")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the library's log lines and progress bars; what matters is raised by :func:`load_strict`."""
    import transformers

    level = transformers.logging.get_verbosity()
    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars:
            transformers.logging.enable_progress_bar()


def load_strict(auto_class: Any, folder_or_id: str, device: str) -> Any:
    """Load ``auto_class.from_pretrained`` without the network, in float32 and evaluation mode.

    Args:
        auto_class: a Transformers auto class or model class.
        folder_or_id: a model folder, or a hub id that was pulled before.
        device: a torch device name.

    Raises:
        ModelError: the model is not on this machine, cannot be read, or its weights do not fit.
    """
    import torch

    where = find_model(folder_or_id)
    with quiet():
        try:
            model, info = auto_class.from_pretrained(
                where, local_files_only=True, output_loading_info=True, dtype=torch.float32
            )
        except Exception as error:  # a damaged file raises what its reader likes, not only OSError
            raise ModelError(
                f"the model {folder_or_id} cannot be loaded as {auto_class.__name__}: {one_sentence(error)}"
            ) from error
    problems = _problems(info)
    if problems:
        raise ModelError(
            f"the weights of {folder_or_id} do not fit {type(model).__name__} ({'; '.join(problems)}); "
            "choose the back-end made for this model"
        )
    return model.to(device).eval()


def load_processor(auto_class: Any, folder_or_id: str) -> Any:
    """Tokenizer, feature extractor or image processor of a model, without the network.

    Raises:
        ModelError: the model or its processor files are not on this machine.
    """
    where = find_model(folder_or_id)
    with quiet():
        try:
            return auto_class.from_pretrained(where, local_files_only=True)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ModelError(
                f"the model {folder_or_id} has no usable {auto_class.__name__} files: {one_sentence(error)}"
            ) from error


def _problems(info: dict[str, Any]) -> list[str]:
    named = (("missing_keys", "missing"), ("unexpected_keys", "left over"), ("mismatched_keys", "misshapen"))
    problems = []
    for key, word in named:
        names = sorted(str(k[0] if isinstance(k, tuple) else k) for k in info.get(key) or ())
        names = [name for name in names if not BENIGN.search(name)]
        if names:
            problems.append(f"{word}: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}")
    if info.get("error_msgs"):
        problems.append(str(next(iter(info["error_msgs"]))).splitlines()[0])
    return problems

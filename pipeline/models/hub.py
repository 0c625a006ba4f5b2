"""The model hub: its address, and what it says about a model that is not listed."""

import json
import os
import re
from typing import Any

from pipeline.models.cards import ModelError
from pipeline.models.download import read_url
from pipeline.models.known import KnownModel, RemoteFile

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # of a hub model, beside its config.json
HUB_VARIABLE = "HF_ENDPOINT"  # the hub client's own name for a mirror
# What a Transformers model needs besides its weights.
SUPPORT = (
    "config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt",
    "sentencepiece.bpe.model", "spiece.model", "tokenizer.model",
)  # fmt: skip


def hub() -> str:
    """Address of the model hub; the environment variable ``HF_ENDPOINT`` names a mirror."""
    return os.environ.get(HUB_VARIABLE, "https://huggingface.co").rstrip("/")


def ask_hub(hub_id: str) -> KnownModel:
    """Revision and files of a model that is not listed. Raises ModelError."""
    answer = read_url(f"{hub()}/api/models/{hub_id}")
    try:
        about: dict[str, Any] = json.loads(answer)
        revision = str(about["sha"])
        listed = (str(entry["rfilename"]) for entry in about["siblings"])
        names = {name for name in listed if FILE_NAME.fullmatch(name)}
        licence = str((about.get("cardData") or {}).get("license", "see the model's own page"))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(
            f"{hub()} does not answer about {hub_id} as the model hub does; sign in to the network or check "
            f"{HUB_VARIABLE}, then try again"
        ) from None
    weights = sorted(
        n for n in names if n.startswith("model") and n.endswith((".safetensors", ".safetensors.index.json"))
    )
    weights = weights or sorted(
        n for n in names if n.startswith("pytorch_model") and n.endswith((".bin", ".bin.index.json"))
    )
    if "config.json" not in names or not weights:
        raise ModelError(f"{hub_id} is not a Transformers model with weights; choose another")
    support = sorted((n for n in SUPPORT if n in names), key=lambda n: n == "config.json")
    return KnownModel(
        id=hub_id,
        modality="",
        backend="transformers",
        revision=revision,
        licence=licence,
        files=tuple(RemoteFile(path) for path in [*weights, *support]),
    )

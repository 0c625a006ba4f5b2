"""Tiny checkpoints made with the libraries' own classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORDS = (
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "<mask>",
    "i",
    "am",
    "so",
    "glad",
    "angry",
    "开",
    "心",
    "生",
    "气",
    "的",
)


def tiny_config(labels: Sequence[str]) -> Any:
    """Configuration of an XLM-RoBERTa of a few thousand weights."""
    from transformers import XLMRobertaConfig

    return XLMRobertaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=140,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )


def tiny_text_model(folder: Path, labels: Sequence[str], bias: Sequence[float] | None = None) -> Path:
    """Save model and tokenizer; with ``bias`` the answer is the softmax of it, whatever the text says."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast, XLMRobertaForSequenceClassification

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = XLMRobertaForSequenceClassification(tiny_config(labels))
    if bias is not None:
        with torch.no_grad():
            model.classifier.out_proj.weight.zero_()
            model.classifier.out_proj.bias.copy_(torch.tensor(list(bias)))
    model.save_pretrained(folder)
    inner = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    inner.pre_tokenizer = Whitespace()
    names = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "pad": "<pad>", "cls": "<s>", "sep": "</s>"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, **{f"{kind}_token": token for kind, token in names.items()}
    )
    tokenizer.save_pretrained(folder)
    return folder


def tiny_whisper(path: Path) -> Path:
    """A Whisper of the real vocabulary and audio front end but two dimensions' worth of everything else."""
    import torch
    from whisper.model import ModelDimensions, Whisper

    dims = ModelDimensions(
        n_mels=80, n_audio_ctx=1500, n_audio_state=8, n_audio_head=2, n_audio_layer=1,
        n_vocab=51865, n_text_ctx=448, n_text_state=8, n_text_head=2, n_text_layer=1,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Whisper(dims)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"dims": dims.__dict__, "model_state_dict": model.state_dict()}, path)
    return path

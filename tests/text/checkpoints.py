"""Tiny checkpoints made with the libraries' own classes."""

import warnings
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


def tiny_whisper(path: Path, says: str = " hello there", until_s: float = 2.0) -> Path:
    """A tiny Whisper with the real vocabulary and front end that hears ``says`` in anything, once per 30 s.

    Its blocks add nothing; each position points at one token: start time, words, end time, end of text.
    """
    import torch
    from whisper.model import ModelDimensions, Whisper
    from whisper.tokenizer import get_tokenizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the library leaves its vocabulary file open
        tokenizer = get_tokenizer(multilingual=True, num_languages=99, language="en", task="transcribe")
    end = tokenizer.timestamp_begin + round(until_s / 0.02)
    spoken = [tokenizer.timestamp_begin, *tokenizer.encode(says), end, tokenizer.eot]
    dims = ModelDimensions(
        n_mels=80, n_audio_ctx=1500, n_audio_state=8, n_audio_head=2, n_audio_layer=1,
        n_vocab=51865, n_text_ctx=448, n_text_state=32, n_text_head=2, n_text_layer=1,
    )  # fmt: skip
    dims.n_audio_state = dims.n_text_state
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = Whisper(dims)
        for block in model.decoder.blocks:
            for layer in (block.attn.out, block.cross_attn.out, block.mlp[2]):
                layer.weight.zero_()
                layer.bias.zero_()
        model.decoder.token_embedding.weight.zero_()
        model.decoder.positional_embedding.zero_()
        prompt = len(tokenizer.sot_sequence)
        for i, token in enumerate(spoken):
            model.decoder.token_embedding.weight[token, i] = 10
            model.decoder.positional_embedding[prompt - 1 + i, i] = 1000
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"dims": dims.__dict__, "model_state_dict": model.state_dict()}, path)
    return path

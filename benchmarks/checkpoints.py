"""The full models' architectures with random weights, as folders that ``--profile full`` finds.

Random weights cost as much arithmetic as trained ones. The one exception is how long Whisper talks, which
depends on what it says: here its decoder is made to say a fixed script, about as much text as half a
minute of speech holds, whatever it hears. So decoding is as long for every program that uses the file.

    python -m benchmarks.checkpoints FOLDER
    EMOTION_PIPELINE_MODELS=FOLDER emotion-pipeline analyze vlog.mp4 --profile full
"""

import argparse
import math
import os
from pathlib import Path
from typing import Any

# (end in seconds, text) of what the made Whisper says in every window of 30 s; the last one ends the window.
SCRIPT = (
    (4.0, "今天早上我們先去市場買了很多新鮮的水果"),
    (9.0, "後來下起大雨所以只好躲在書店裡面等朋友"),
    (14.0, "他說上個月剛剛換工作心情一直不太穩定"),
    (19.0, "我覺得不管怎麼樣都應該好好休息幾天"),
    (24.0, "晚上大家一起煮飯聊到很晚才回家睡覺"),
    (29.98, "希望明年這個時候還能再見到彼此"),
)
WHISPER_FILE = "random.pt"  # not `base.pt`, whose content is pinned
CHARACTERS = sorted({character for _, text in SCRIPT for character in text})


def convnext_base() -> Any:
    """ConvNeXt-Base with seven outputs, as in the face card."""
    from transformers import ConvNextConfig, ConvNextForImageClassification

    labels = _labels("convnext")
    config = ConvNextConfig(
        depths=[3, 3, 27, 3],
        hidden_sizes=[128, 256, 512, 1024],
        image_size=224,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    return ConvNextForImageClassification(config).eval()


def hubert_base() -> Any:
    """HuBERT-base with the head of the voice card's model."""
    from transformers import HubertConfig

    from pipeline.voice.hubert import HubertWithHead

    return HubertWithHead(HubertConfig()).eval()


def xlm_roberta_base() -> Any:
    """XLM-R-base with eight outputs, as in the text card."""
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

    labels = _labels("xlm-roberta")
    config = XLMRobertaConfig(
        vocab_size=250_002,
        max_position_embeddings=514,
        type_vocab_size=1,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    return XLMRobertaForSequenceClassification(config).eval()


def tokenizer(extra: str = "") -> Any:
    """One token per character, in the form that XLM-R's tokenizer file has; ``extra`` adds characters."""
    from tokenizers import Tokenizer
    from tokenizers.models import Unigram
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    words = [*special, *sorted({*CHARACTERS, *extra})]
    core = Tokenizer(Unigram([(word, -float(i > 3)) for i, word in enumerate(words)], unk_id=3))
    core.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def whisper_base() -> Any:
    """Whisper-base whose decoder says ``SCRIPT``: the learnt place of each token points at the next one.

    Blocks, sizes and vocabulary are those of the real one; only which token wins is arranged.
    """
    import torch
    import whisper
    from whisper.model import ModelDimensions, Whisper

    size = ModelDimensions(
        n_mels=80,
        n_audio_ctx=1500,
        n_audio_state=512,
        n_audio_head=8,
        n_audio_layer=6,
        n_vocab=51865,
        n_text_ctx=448,
        n_text_state=512,
        n_text_head=8,
        n_text_layer=6,
    )
    model = Whisper(size)
    speaks = whisper.tokenizer.get_tokenizer(True, language="zh", task="transcribe")
    script = said_tokens(speaks)
    # Places 0 and 1 hold start and language; what they point at is read by language detection alone.
    wanted = [speaks.to_language_token("zh"), speaks.transcribe, *script]
    wanted += [speaks.eot] * (size.n_text_ctx - len(wanted))
    with torch.no_grad():
        table = torch.randn(size.n_vocab, size.n_text_state) * 0.05
        model.decoder.token_embedding.weight.copy_(table)
        unit = table / table.norm(dim=1, keepdim=True)
        loud = 10 * math.sqrt(size.n_text_state)  # drowns what the blocks and the token itself add
        model.decoder.positional_embedding.copy_(unit[wanted] * loud)
    return model.eval()


def said_tokens(speaks: Any) -> list[int]:
    """``SCRIPT`` as Whisper's tokens: segments between time stamps, the last one up to the window's end."""
    tokens: list[int] = []
    start_s = 0.0
    for end_s, text in SCRIPT:
        tokens += [_stamp(speaks, start_s), *speaks.encode(text), _stamp(speaks, end_s)]
        start_s = end_s
    return tokens


def _stamp(speaks: Any, time_s: float) -> int:
    return int(speaks.timestamp_begin) + round(time_s / 0.02)


def _labels(backend: str) -> tuple[str, ...]:
    from pipeline.models.known import known_for

    return known_for(backend).labels


def save_all(folder: Path) -> None:
    """Write the four models where the cache folder ``folder`` is looked into."""
    import torch
    from transformers import ConvNextImageProcessorPil, Wav2Vec2FeatureExtractor

    from pipeline.models.cards import CACHE_VARIABLE
    from pipeline.models.known import known_for

    os.environ[CACHE_VARIABLE] = str(folder)
    torch.manual_seed(0)
    homes = {name: known_for(name).home for name in ("convnext", "hubert", "xlm-roberta", "whisper")}
    for home in homes.values():
        home.mkdir(parents=True, exist_ok=True)

    for backend, model, prepares in (
        ("convnext", convnext_base(), ConvNextImageProcessorPil(size={"shortest_edge": 224})),
        ("hubert", hubert_base(), Wav2Vec2FeatureExtractor()),
    ):
        model.config.save_pretrained(homes[backend])
        prepares.save_pretrained(homes[backend])
        torch.save(model.state_dict(), homes[backend] / "pytorch_model.bin")

    xlm_roberta_base().save_pretrained(homes["xlm-roberta"])
    tokenizer().save_pretrained(homes["xlm-roberta"])
    for name in ("sentencepiece.bpe.model", "special_tokens_map.json"):  # on the list, not read
        (homes["xlm-roberta"] / name).write_text("{}")

    speech = whisper_base()
    weights = {name: value.half() for name, value in speech.state_dict().items()}  # as in the real file
    torch.save({"dims": vars(speech.dims), "model_state_dict": weights}, homes["whisper"] / WHISPER_FILE)
    for name in ("convnext", "hubert", "xlm-roberta"):
        home = homes[name]
        if missing := [file.path for file in known_for(name).files if not (home / file.path).is_file()]:
            raise FileNotFoundError(f"{name}: {missing} were not written")


def main() -> int:
    """Write the checkpoints."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.checkpoints",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="about 2 GB are written here")
    save_all(parser.parse_args().folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Real tokenizers of the kinds that models use: the embedded one, and small ones trained here."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import aix_lsp
from tests.models import SMALL

ROOT = Path(aix_lsp.__file__).parent
SPECIAL = ["<s>", "</s>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>"]
_QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _corpus() -> list[str]:
    return [path.read_text("utf-8") for path in sorted((ROOT / "engine").glob("*.py"))]


@cache
def embedded() -> Tokenizer:
    """The tokenizer of the tests' model."""
    return Tokenizer.from_file(str(SMALL / "tokenizer.json"))


@cache
def qwen_like() -> Tokenizer:
    """Byte-level BPE with the pre-tokenizer of GPT-4's descendants, NFC, and markers not flagged as
    special.
    """
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(_corpus(), trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet))
    made.add_tokens([AddedToken(token, special=False, normalized=False) for token in SPECIAL])
    return made


@cache
def llama_like() -> Tokenizer:
    """SentencePiece-style BPE with byte fallback, a space added before each text, and a first token."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer = made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    trained.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n|▁*[^▁\n]+|▁+"), "isolated")
    trained.train_from_iterator(_corpus(), trainers.BpeTrainer(vocab_size=700, special_tokens=["<unk>"]))
    import json

    learned = json.loads(trained.to_str())["model"]
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    for byte in range(256):
        vocab[f"<0x{byte:02X}>"] = len(vocab)
    for piece in learned["vocab"]:
        if "\n" not in piece:
            vocab.setdefault(piece, len(vocab))
    merges = [tuple(pair) for pair in learned["merges"] if "".join(pair) in vocab]
    made.model = models.BPE(vocab=vocab, merges=merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.add_special_tokens(["<s>", "</s>", "▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"])
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", vocab["<s>"])]
    )
    return made


ALL = {"embedded": embedded, "qwen": qwen_like, "llama": llama_like}

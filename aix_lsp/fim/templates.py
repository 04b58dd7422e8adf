"""The fill-in-the-middle formats of all model families, and which of them a model uses. Uses no tokenizer.

docs/models.md names the sources, and says what was checked against a real tokenizer. Families that were trained on both
orders are written suffix first, because typing then only appends to the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from aix_lsp.fim.family import Segment, Template

__all__ = [
    "AIX",
    "END_TOKENS",
    "FAMILIES",
    "GENERIC",
    "Segment",
    "Template",
    "detect",
    "known",
    "takes_context",
]

_PIPES_PSM = ("<|fim_prefix|>", "{prefix}", "<|fim_suffix|>", "{suffix}", "<|fim_middle|>", "{middle}")
_ANGLES_SPM = ("<fim_prefix>", "<fim_suffix>", "{suffix}", "<fim_middle>", "{prefix}")
_ANGLES_PSM = ("<fim_prefix>", "{prefix}", "<fim_suffix>", "{suffix}", "<fim_middle>", "{middle}")
_STARCODER_RESERVED = ("<|endoftext|>", "<fim_pad>", "<filename>", "<reponame>", "<gh_stars>")

FAMILIES: tuple[Template, ...] = (
    # The models that `python -m training` makes.
    Template(
        name="aix",
        layout=(
            "{context}",
            "{header}",
            "<|fim_suffix|>",
            "{suffix}",
            "<|fim_prefix|>",
            "{prefix}",
            "<|fim_middle|>",
            "{middle}",
        ),
        middle_lines=4,
        repository=("<|repo|>",),
        file=("<|file|>", "{path}\n", "{text}"),
        header=("<|file|>", "{path}\n"),
        header_alone=True,
        stop=("<|repo|>", "<|file|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        reserved=("<|endoftext|>", "<|pad|>"),
        requires=("<|file|>", "<|repo|>"),
        named=r"\bembedded\b|\baix-lsp\b",
    ),
    # The first embedded model: it has seen neither other files nor paths, though <|file|> is in its vocabulary.
    Template(
        name="aix-interim",
        layout=("<|fim_prefix|>", "<|fim_suffix|>", "{suffix}", "<|fim_middle|>", "{prefix}"),
        stop=("<|file|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        reserved=("<|endoftext|>", "<|pad|>"),
        requires=("<|file|>",),
    ),
    Template(
        name="aixcoder",
        layout=(
            "▁<AIX-SPAN-PRE>",
            "▁<AIX-SPAN-POST>",
            "{suffix}",
            "▁<AIX-SPAN-MIDDLE>",
            "{header}",
            "{prefix}",
        ),
        header=("{path_note}{language_note}",),
        header_alone=True,
        bos="<s>",
        pad="☺",
        stop=("▁<AIX-SPAN-PRE>", "▁<AIX-SPAN-POST>", "▁<AIX-SPAN-MIDDLE>"),
        reserved=("</s>",),
        named=r"aixcoder",
    ),
    Template(
        name="codestral",
        layout=("[SUFFIX]", "{suffix}", "[PREFIX]", "{context}", "{header}", "{prefix}"),
        file=("+++++ {path}\n{text}\n",),
        header=("+++++ {path}\n",),
        bos="<s>",
        stop=("[PREFIX]", "[SUFFIX]"),
        reserved=("</s>", "[MIDDLE]", "[INST]", "[/INST]"),
        named=r"codestral|devstral",
    ),
    Template(
        name="seed-coder",
        layout=("<[fim-suffix]>", "{suffix}", "<[fim-prefix]>", "{prefix}", "<[fim-middle]>"),
        stop=("<[fim-suffix]>", "<[fim-prefix]>", "<[fim-middle]>"),
        reserved=("<[begin▁of▁sentence]>", "<[end▁of▁sentence]>"),
        named=r"seed-?coder",
    ),
    Template(
        name="deepseek",
        layout=(
            "<｜fim▁begin｜>",
            "{context}",
            "{header}",
            "{prefix}",
            "<｜fim▁hole｜>",
            "{suffix}",
            "<｜fim▁end｜>",
            "{middle}",
        ),
        file=("#{path}\n{text}",),
        header=("#{path}\n",),
        stop=("<｜end▁of▁sentence｜>", "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
        reserved=("<｜begin▁of▁sentence｜>", "<|EOT|>"),
        named=r"deepseek",
    ),
    Template(
        name="codellama",
        layout=("▁<PRE>", "▁<SUF>", "{suffix}", "▁<MID>", "{prefix}"),
        bos="<s>",
        pad="☺",
        stop=("▁<EOT>",),
        reserved=("</s>",),
        named=r"code-?llama",
    ),
    Template(
        name="santacoder",
        layout=("<fim-prefix>", "<fim-suffix>", "{suffix}", "<fim-middle>", "{prefix}"),
        stop=("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
        reserved=("<|endoftext|>", "<fim-pad>"),
        named=r"santacoder",
    ),
    Template(
        name="starcoder2",
        layout=(
            "{context}",
            "<fim_prefix>",
            "<fim_suffix>",
            "{suffix}",
            "<fim_middle>",
            "{header}",
            "{prefix}",
        ),
        repository=("<repo_name>", "{repository}"),
        file=("<file_sep>", "{path}\n{text}"),
        after_files=("<file_sep>",),
        header=("{path}\n",),
        stop=("<file_sep>", "<repo_name>"),
        reserved=("<|endoftext|>", "<fim_pad>"),
        requires=("<file_sep>", "<repo_name>"),
        named=r"starcoder-?2",
    ),
    # The next three share StarCoder's special tokens: only the name distinguishes them.
    Template(
        name="mellum",
        layout=(
            "{context}",
            "{header}",
            "<fim_suffix>",
            "{suffix}",
            "<fim_prefix>",
            "{prefix}",
            "<fim_middle>",
        ),
        file=("<filename>", "{path}\n{text}"),
        header=("<filename>", "{path}\n"),
        header_alone=True,
        stop=("<filename>",),
        reserved=_STARCODER_RESERVED,
        named=r"mellum",
        by_name=True,
    ),
    Template(
        name="stablecode",
        layout=_ANGLES_PSM,
        stop=("<filename>", "<file_sep>"),
        reserved=_STARCODER_RESERVED,
        named=r"stable-?code",
        by_name=True,
    ),
    Template(
        name="granite",
        layout=_ANGLES_SPM,
        stop=("<filename>", "<reponame>"),
        reserved=_STARCODER_RESERVED,
        named=r"granite-?(3b|8b|20b|34b|code)",
        by_name=True,
    ),
    Template(
        name="starcoder",
        layout=_ANGLES_SPM,
        stop=("<filename>", "<reponame>"),
        reserved=_STARCODER_RESERVED,
        named=r"starcoder(?!-?2)|refact|decicoder|octocoder|tiny_?starcoder",
    ),
    Template(
        name="codegemma",
        layout=("{context}", *_PIPES_PSM),
        file=("{path}\n{text}", "<|file_separator|>"),
        stop=("<|file_separator|>",),
        reserved=("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        requires=("<|file_separator|>",),
        named=r"codegemma",
    ),
    Template(
        name="qwen",
        layout=("{context}", "{header}", *_PIPES_PSM),
        repository=("<|repo_name|>", "{repository}\n"),
        file=("<|file_sep|>", "{path}\n{text}"),
        # Measured of 0.5 G, not yet of 1.5 G: docs/quality.md.
        context_from=1_000_000_000,
        header=("<|file_sep|>", "{path}\n"),
        stop=("<|file_sep|>", "<|repo_name|>", "<|fim_pad|>", "<|im_end|>", "<|cursor|>"),
        reserved=("<|endoftext|>", "<|im_start|>"),
        requires=("<|file_sep|>", "<|repo_name|>"),
        named=r"qwen|zeta",
    ),
    Template(
        name="granite4",
        layout=_PIPES_PSM,
        stop=("<|filename|>", "<|reponame|>", "<|fim_pad|>"),
        reserved=("<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>"),
        requires=("<|end_of_text|>",),
        named=r"granite-?4",
    ),
    Template(
        name="glm",
        layout=("<|code_prefix|>", "{prefix}", "<|code_suffix|>", "{suffix}", "<|code_middle|>", "{middle}"),
        stop=("<|user|>", "<|observation|>"),
        reserved=("<|endoftext|>", "<|assistant|>", "<|system|>"),
        named=r"glm|codegeex",
    ),
    # Qwen's markers, and nothing else that identifies the family: the order that such models share.
    Template(
        name="generic",
        layout=_PIPES_PSM,
        stop=("<|fim_pad|>",),
        reserved=("<|endoftext|>",),
    ),
)
AIX, GENERIC = (next(t for t in FAMILIES if t.name == name) for name in ("aix", "generic"))
END_TOKENS = (
    "<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "<|EOT|>", " <EOT>", "<EOT>", "<eos>",
    "<end_of_turn>", "<｜end▁of▁sentence｜>",
)  # fmt: skip
"""End tokens of various models, which a server that does not know them may send as text."""


def known() -> list[str]:
    """The values that the setting `fimFamily` may have."""
    return [template.name for template in FAMILIES]


def takes_context(family: str) -> bool:
    """Whether models of a family, given by name, can use context from other files."""
    return any(template.takes_context for template in FAMILIES if template.name == family)


def detect(special_tokens: Collection[str], name: str = "", forced: str = "") -> Template | None:
    """The format of a model with these special tokens; None if it does not support fill-in-the-middle.

    `special_tokens` may be empty if only the model's `name` is known, as with a remote server. `forced` is the user's
    setting and wins. Raises ValueError if it names no family, or one whose tokens the model lacks.
    """
    present = frozenset(special_tokens)
    if forced:
        return _forced(forced, present)

    def fits(template: Template) -> bool:
        named = bool(template.named and re.search(template.named, name, re.IGNORECASE))
        if not present or template.by_name:
            return named and (not present or present.issuperset(template.markers))
        return present.issuperset((*template.markers, *template.requires))

    return next((template for template in FAMILIES if fits(template)), None)


def _forced(name: str, present: frozenset[str]) -> Template:
    template = next((t for t in FAMILIES if t.name == name.strip().lower()), None)
    if template is None:
        raise ValueError(f"fimFamily: there is no family {name!r}. Known: {', '.join(known())}.")
    missing = [marker for marker in template.markers if present and marker not in present]
    if missing:
        raise ValueError(
            f"fimFamily: the model has no token {missing[0]}, which {template.name!r} needs; "
            "leave the setting empty to detect the family."
        )
    return template

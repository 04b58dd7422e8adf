"""Prompts contain what the template says, fit the context, and change as little as possible from key to key."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aix_lsp.engine.pages.radix import common_length
from aix_lsp.engine.text.encoder import TextEncoder
from aix_lsp.engine.text.layout import Layout, PromptTooLong
from aix_lsp.engine.text.vocabulary import Vocabulary
from aix_lsp.fim.family import Template
from aix_lsp.fim.prompt import ContextFile, FimPrompt
from aix_lsp.fim.templates import FAMILIES
from tests.engine.text.test_encoder import CODE, encoder
from tests.engine.tokenizers_for_tests import ALL

SPM = Template("spm", ("<fim_prefix>", "<fim_suffix>", "{suffix}", "<fim_middle>", "{prefix}"))
PSM = Template(
    "psm",
    ("{context}", "<fim_prefix>", "{prefix}", "<fim_suffix>", "{suffix}", "<fim_middle>", "{middle}"),
    file=("{path}\n{text}",),
)
CODELLAMA = next(family for family in FAMILIES if family.name == "codellama")


def layout(template: Template | None, kind: str = "qwen") -> tuple[Layout, Vocabulary]:
    used, vocabulary = encoder(kind)
    return Layout(used, template), vocabulary


def shown(vocabulary: Vocabulary, tokens: list[int], kind: str = "qwen") -> str:
    names = {token: name for name, token in ALL[kind]().get_vocab().items()}
    data = b"".join(vocabulary.bytes_of(t) or f"«{names[t]}»".encode() for t in tokens)
    return data.decode("utf-8", "replace")


def test_spm_puts_the_suffix_first_and_heals_the_word() -> None:
    made, vocabulary = layout(SPM)
    prompt = made.lay_out(FimPrompt("def f():\n    ret", "\n\nx = 1\n", middle="ur"), 500)
    assert shown(vocabulary, prompt.tokens) == (
        "«<fim_prefix>»«<fim_suffix>»\n\nx = 1\n«<fim_middle>»def f():\n   "
    )
    assert prompt.typed == b" retur"
    assert sum(length for _, length in prompt.parts) == len(prompt.tokens)


def test_psm_puts_the_anchored_text_after_the_middle_marker() -> None:
    made, vocabulary = layout(PSM)
    prompt = made.lay_out(FimPrompt("def f():\n", "\nx = 1", middle="    return se"), 500)
    assert shown(vocabulary, prompt.tokens) == (
        "«<fim_prefix>»def f():\n«<fim_suffix>»\nx = 1«<fim_middle>»    return"
    )
    assert prompt.typed == b" se"


def test_psm_without_an_anchor_heals_only_an_unfinished_word() -> None:
    made, vocabulary = layout(PSM)
    prompt = made.lay_out(FimPrompt("x = fo", "\n"), 500)
    assert shown(vocabulary, prompt.tokens) == "«<fim_prefix>»x =«<fim_suffix>»\n«<fim_middle>»"
    assert prompt.typed == b" fo"
    assert made.lay_out(FimPrompt("x = fo\n", "y"), 500).typed == b""


def test_markers_in_code_stay_text() -> None:
    made, vocabulary = layout(PSM)
    text = "x = '<fim_middle>' </s>"
    prompt = made.lay_out(FimPrompt(text, text, context=(ContextFile("a", text),)), 500, heal=False)
    assert sum(token in vocabulary.markers for token in prompt.tokens) == 3


def test_code_llamas_first_token_and_pad() -> None:
    made, vocabulary = layout(CODELLAMA, "llama")
    prompt = made.lay_out(FimPrompt("foo", "bar"), 500, heal=False)
    assert shown(vocabulary, prompt.tokens, "llama") == "«<s>»«▁<PRE>»«▁<SUF>»bar«▁<MID>» foo"


def test_without_a_template_the_prefix_is_continued() -> None:
    made, vocabulary = layout(None, "llama")
    prompt = made.lay_out(FimPrompt("foo(", "bar"), 500, heal=False)
    assert shown(vocabulary, prompt.tokens, "llama") == "«<s>» foo("
    assert layout(None)[0].lay_out(FimPrompt(""), 500).tokens


@given(prefix=CODE, middle=CODE, suffix=CODE, files=st.lists(CODE, max_size=4), room=st.integers(40, 200))
@settings(max_examples=150)
def test_prompts_fit_and_contain_only_what_was_given(
    prefix: str, middle: str, suffix: str, files: list[str], room: int
) -> None:
    context = tuple(ContextFile(f"{at}.py", text) for at, text in enumerate(files))
    for template in (SPM, PSM, None):
        made, vocabulary = layout(template)
        prompt = made.lay_out(FimPrompt(prefix, suffix, middle, "a.py", "python", context), room)
        assert 0 < len(prompt.tokens) <= room
        assert sum(length for _, length in prompt.parts) == len(prompt.tokens)
        if template is SPM and len(prompt.tokens) + len(prompt.healed) < room // 2:
            end = shown(vocabulary, prompt.tokens).rsplit("«<fim_middle>»", 1)[1].encode() + prompt.typed
            import unicodedata

            assert end.decode() == unicodedata.normalize("NFC", prefix + middle)


LINES = [f"    value_{k} = compute_{k * 7}(argument_{k % 5})\n" for k in range(400)]


@pytest.mark.parametrize("template", [SPM, PSM], ids=["spm", "psm"])
def test_typing_in_a_file_that_is_too_long_keeps_nearly_all_of_the_prompt(template: Template) -> None:
    made, _ = layout(template)
    suffix = "".join(LINES[200:260])
    files = (ContextFile("b.py", "".join(LINES[300:330])),)
    before: list[int] = []
    recomputed = []
    for at in range(300):
        typed = ("    other = compute(argument)\n" * 11)[:at]
        if template is SPM:
            prompt = FimPrompt("".join(LINES[:90]) + typed, suffix, "", "a.py", "python", files)
        else:
            prompt = FimPrompt("".join(LINES[:90]), suffix, typed, "a.py", "python", files)
        tokens = made.lay_out(prompt, 1500).tokens
        assert len(tokens) <= 1500
        recomputed.append(len(tokens) - common_length(before, tokens))
        before = tokens
    assert sorted(recomputed)[len(recomputed) * 95 // 100] <= 8
    # When a cut moves, much is recomputed, so it may move only now and then.
    assert sum(count > 100 for count in recomputed) <= 6


def test_megabytes_are_cut_before_they_are_tokenised(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = layout(SPM)
    used, _ = encoder("qwen")
    lengths: list[int] = []
    whole = used.encode

    def noting(text: str, key: str = "", pad: str = "") -> object:
        lengths.append(len(text))
        return whole(text, key, pad)

    monkeypatch.setattr(used, "encode", noting)
    made.lay_out(FimPrompt("x = 1\n" * 500_000, "y\n" * 500_000), 1000)
    assert max(lengths) <= 16_000


def test_each_of_many_small_files_is_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = layout(PSM)
    lengths: list[int] = []
    whole = TextEncoder.encode

    def noting(self: TextEncoder, text: str, key: str = "", pad: str = "") -> object:
        lengths.append(len(text))
        return whole(self, text, key, pad)

    monkeypatch.setattr(TextEncoder, "encode", noting)
    files = tuple(ContextFile(f"{at}.py", LINES[at % 400] * 3) for at in range(256))
    prompt = made.lay_out(FimPrompt("x = 1\n", "y = 2\n", context=files), 600)
    assert len(prompt.tokens) <= 600
    assert len(lengths) <= 256 + 2
    assert sum(lengths) < 2 * 16 * 600


def test_a_prompt_that_cannot_fit_is_an_error() -> None:
    made, _ = layout(PSM)
    with pytest.raises(PromptTooLong, match="max_tokens"):
        made.lay_out(FimPrompt("a b c d", "e f"), 2)

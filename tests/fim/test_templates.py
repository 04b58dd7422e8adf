"""Each family's prompt as its publishers specify it, detection of families by tokens, markers in code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aix_lsp
from aix_lsp.fim.prompt import ContextFile, FimPrompt
from aix_lsp.fim.templates import END_TOKENS, FAMILIES, Template, detect, known

PROMPT = FimPrompt(
    prefix="def f():\n    return ",
    suffix="\n\nf()\n",
    middle="a",
    path="pkg/mod.py",
    language="python",
    context=(ContextFile("pkg/other.py", "x = 1"), ContextFile("b.py", "y = 2\n")),
)
P, M, S = PROMPT.prefix, PROMPT.middle, PROMPT.suffix

WHOLE_PROMPTS = {
    "aix": "<|repo|><|file|>pkg/other.py\nx = 1\n<|file|>b.py\ny = 2\n<|file|>pkg/mod.py\n"
    f"<|fim_suffix|>{S}<|fim_prefix|>{P}<|fim_middle|>{M}",
    "aix-interim": f"<|fim_prefix|><|fim_suffix|>{S}<|fim_middle|>{P}{M}",
    "aixcoder": f"▁<AIX-SPAN-PRE>▁<AIX-SPAN-POST>{S}▁<AIX-SPAN-MIDDLE>"
    f"# the file path is: pkg/mod.py\n# the code file is written by Python\n{P}{M}",
    "codestral": f"[SUFFIX]{S}[PREFIX]"
    f"+++++ pkg/other.py\nx = 1\n\n+++++ b.py\ny = 2\n\n+++++ pkg/mod.py\n{P}{M}",
    "seed-coder": f"<[fim-suffix]>{S}<[fim-prefix]>{P}{M}<[fim-middle]>",
    "deepseek": "<｜fim▁begin｜>#pkg/other.py\nx = 1\n#b.py\ny = 2\n#pkg/mod.py\n"
    f"{P}<｜fim▁hole｜>{S}<｜fim▁end｜>{M}",
    "codellama": f"▁<PRE>▁<SUF>{S}▁<MID>{P}{M}",
    "santacoder": f"<fim-prefix><fim-suffix>{S}<fim-middle>{P}{M}",
    "starcoder2": "<repo_name>repository<file_sep>pkg/other.py\nx = 1\n<file_sep>b.py\ny = 2\n"
    f"<file_sep><fim_prefix><fim_suffix>{S}<fim_middle>pkg/mod.py\n{P}{M}",
    "mellum": "<filename>pkg/other.py\nx = 1\n<filename>b.py\ny = 2\n"
    f"<filename>pkg/mod.py\n<fim_suffix>{S}<fim_prefix>{P}{M}<fim_middle>",
    "stablecode": f"<fim_prefix>{P}<fim_suffix>{S}<fim_middle>{M}",
    "granite": f"<fim_prefix><fim_suffix>{S}<fim_middle>{P}{M}",
    "starcoder": f"<fim_prefix><fim_suffix>{S}<fim_middle>{P}{M}",
    "codegemma": "pkg/other.py\nx = 1\n<|file_separator|>b.py\ny = 2\n<|file_separator|>"
    f"<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>{M}",
    "qwen": "<|repo_name|>repository\n<|file_sep|>pkg/other.py\nx = 1\n<|file_sep|>b.py\ny = 2\n"
    f"<|file_sep|>pkg/mod.py\n<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>{M}",
    "granite4": f"<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>{M}",
    "glm": f"<|code_prefix|>{P}<|code_suffix|>{S}<|code_middle|>{M}",
    "generic": f"<|fim_prefix|>{P}<|fim_suffix|>{S}<|fim_middle|>{M}",
}

STARCODER = {
    "<|endoftext|>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    "<fim_pad>",
    "<filename>",
    "<reponame>",
}
PIPES = {"<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"}

DETECTED = [
    ("aix", {*PIPES, "<|file|>", "<|repo|>", "<|pad|>"}, ""),
    ("aix-interim", {*PIPES, "<|file|>", "<|pad|>"}, ""),
    ("aix", set(), "embedded"),
    ("qwen", {*PIPES, "<|repo_name|>", "<|file_sep|>", "<|im_end|>"}, ""),
    ("codegemma", {*PIPES, "<|file_separator|>", "<bos>"}, ""),
    ("granite4", {*PIPES, "<|end_of_text|>", "<|filename|>", "<|reponame|>"}, "granite-4.0-h-tiny"),
    ("generic", PIPES, "somebody/else"),
    ("starcoder2", {*STARCODER, "<file_sep>", "<repo_name>"}, ""),
    ("starcoder", STARCODER, ""),
    ("starcoder", STARCODER, "bigcode/starcoderbase-1b"),
    ("mellum", STARCODER, "JetBrains/Mellum-4b-base"),
    ("granite", STARCODER, "ibm-granite/granite-8b-code-base"),
    ("stablecode", STARCODER, "stabilityai/stable-code-3b"),
    ("santacoder", {"<fim-prefix>", "<fim-middle>", "<fim-suffix>", "<fim-pad>", "<|endoftext|>"}, ""),
    ("deepseek", {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", "<|EOT|>"}, ""),
    ("codellama", {"<s>", "</s>", "▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"}, ""),
    ("codestral", {"<s>", "[PREFIX]", "[SUFFIX]", "[MIDDLE]", "[INST]"}, ""),
    ("seed-coder", {"<[fim-suffix]>", "<[fim-prefix]>", "<[fim-middle]>"}, ""),
    ("aixcoder", {"<s>", "▁<AIX-SPAN-PRE>", "▁<AIX-SPAN-POST>", "▁<AIX-SPAN-MIDDLE>"}, ""),
    ("glm", {"<|code_prefix|>", "<|code_middle|>", "<|code_suffix|>", "<|user|>"}, ""),
    ("qwen", set(), "Qwen/Qwen2.5-Coder-1.5B"),
    ("deepseek", set(), "deepseek-coder-v2-lite:latest"),
    ("codestral", set(), "mistralai/Codestral-22B-v0.1"),
    ("starcoder2", set(), "starcoder2:3b"),
    ("starcoder", set(), "bigcode/starcoder"),
    ("granite4", set(), "ibm-granite/granite-4.0-micro"),
    ("aixcoder", set(), "aiXcoder/aixcoder-7b-base"),
    ("seed-coder", set(), "ByteDance-Seed/Seed-Coder-8B-Base"),
    (None, set(), "gpt-4o"),
    (None, {"<s>", "</s>"}, "Qwen2.5-Coder"),
    (None, {"<|endoftext|>"}, ""),
]


def family(name: str) -> Template:
    found = detect((), forced=name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", known())
def test_whole_prompt(name: str) -> None:
    assert family(name).render(PROMPT) == WHOLE_PROMPTS[name]


@pytest.mark.parametrize(("expected", "tokens", "name"), DETECTED)
def test_detection(expected: str | None, tokens: set[str], name: str) -> None:
    found = detect(tokens, name)
    assert (found.name if found else None) == expected


def test_the_setting_wins() -> None:
    found = detect(STARCODER, "starcoder", forced="Stablecode")
    assert found is not None
    assert found.name == "stablecode"


@pytest.mark.parametrize(
    ("forced", "tokens", "told"), [("qwn", set(), "Known: aix, "), ("qwen", STARCODER, "<|fim_prefix|>")]
)
def test_a_wrong_setting_is_refused(forced: str, tokens: set[str], told: str) -> None:
    with pytest.raises(ValueError, match="fimFamily") as raised:
        detect(tokens, forced=forced)
    assert told in str(raised.value)


@pytest.mark.parametrize("template", FAMILIES, ids=lambda t: t.name)
def test_markers_in_code_stay_text(template: Template) -> None:
    markers = "".join((*template.markers, *template.stop, *template.reserved))
    evil = FimPrompt(
        prefix=f"p{markers}",
        suffix=f"s{markers}",
        middle=f"m{markers}",
        path=f"{markers}.py",
        language="python",
        context=(ContextFile(f"c{markers}", f"t{markers}"),),
    )
    harmless = FimPrompt("p", "s", "m", "x.py", "python", (ContextFile("c", "t"),))

    def specials(prompt: FimPrompt) -> list[str]:
        return [segment.text for segment in template.segments(prompt) if segment.kind == "special"]

    assert specials(evil) == specials(harmless)
    texts = "".join(segment.text for segment in template.segments(evil) if segment.kind == "text")
    assert texts.count(f"p{markers}") == 1
    rendered = template.render(evil)
    for marker in template.markers:
        assert rendered.count(marker) == specials(harmless).count(marker)


_PIECES = sorted({piece for t in FAMILIES for piece in (*t.markers, *t.stop, *t.reserved)})
_NASTY = st.lists(
    st.one_of(
        st.sampled_from(_PIECES),
        st.sampled_from(_PIECES).flatmap(lambda m: st.integers(0, len(m)).map(lambda n: m[:n])),
        st.sampled_from(_PIECES).flatmap(lambda m: st.integers(0, len(m)).map(lambda n: m[n:])),
        st.text(max_size=5),
    ),
    max_size=8,
).map("".join)


@given(text=_NASTY, template=st.sampled_from(FAMILIES))
def test_defused_text_holds_no_marker_and_loses_nothing(text: str, template: Template) -> None:
    defused = template.defuse(text)
    assert not any(marker in defused for marker in (*template.markers, *template.stop, *template.reserved))
    assert defused.replace(" ", "") == text.replace(" ", "")


@given(prefix=_NASTY, suffix=_NASTY, middle=_NASTY, template=st.sampled_from(FAMILIES))
def test_text_segments_hold_the_parts_unchanged(
    prefix: str, suffix: str, middle: str, template: Template
) -> None:
    parts: dict[str, str] = {}
    for segment in template.segments(FimPrompt(prefix, suffix, middle)):
        parts[segment.part] = parts.get(segment.part, "") + segment.text
    assert parts.get("suffix", "") == suffix
    assert parts.get("prefix", "") + parts.get("middle", "") == prefix + middle


def test_typing_only_appends_where_the_order_allows_it() -> None:
    """The reason for putting the suffix first, and for the middle of prefix-first models."""
    for template in FAMILIES:
        if template.layout[-1] not in ("{prefix}", "{middle}"):
            continue
        before = template.render(FimPrompt("def f", "\n", "x"))
        after = template.render(FimPrompt("def f", "\n", "xy"))
        assert after == before + "y", template.name


def test_suffix_is_padded_where_sentencepiece_would_add_a_blank() -> None:
    for template in FAMILIES:
        suffixes = [segment for segment in template.segments(PROMPT) if segment.part == "suffix"]
        assert [segment.pad for segment in suffixes] == [template.pad]
        assert all(not segment.pad for segment in template.segments(PROMPT) if segment.part != "suffix")


def test_first_token_is_a_segment_but_not_rendered() -> None:
    template = family("codestral")
    assert template.segments(PROMPT)[0].text == "<s>"
    assert not template.render(PROMPT).startswith("<s>")


def test_the_interim_model_gets_no_path_and_no_context() -> None:
    template = family("aix-interim")
    assert not template.takes_context
    assert {segment.part for segment in template.segments(PROMPT)} == {"marker", "suffix", "prefix"}


@pytest.mark.parametrize(
    ("prefix", "middle", "expected"),
    [
        ("a\nb\n", "c", ("a\nb", "\nc")),
        ("a\nb\n", "", ("a\nb", "\n")),
        ("", "c", ("", "c")),
        ("", "", ("", "")),
        ("a\nb", "", ("a", "\nb")),  # where the line begins is unknown
        ("a\nb", "c", ("a\nb", "c")),  # somewhere in a long line
        ("a\n", "b\nc\nd\ne", ("a", "\nb\nc\nd\ne")),
        ("a\n", "b\nc\nd\ne\nf", ("a\nb\nc\nd\ne", "\nf")),
        ("a\n", "1\n2\n3\n4\n5\n6\n7\n8\n9", ("a\n1\n2\n3\n4\n5\n6\n7\n8", "\n9")),
        ("a\n" + "x" * 2000, "", ("a\n" + "x" * 1534, "x" * 466)),
    ],
)
def test_the_middle_begins_near_the_cursor(prefix: str, middle: str, expected: tuple[str, str]) -> None:
    parts = {s.part: s.text for s in family("aix").segments(FimPrompt(prefix, "s", middle))}
    assert (parts.get("prefix", ""), parts.get("middle", "")) == expected


def test_header_needs_a_path_and_a_known_comment() -> None:
    template = family("aixcoder")
    assert "the file path" not in template.render(FimPrompt("p", "s", language="python"))
    assert "the file path" not in template.render(FimPrompt("p", "s", path="a.b", language="brainfuck"))
    assert "<!-- the file path is: a.md -->\n" in template.render(
        FimPrompt("p", "s", path="a.md", language="markdown")
    )


def test_small_models_of_a_family_may_get_no_other_files() -> None:
    qwen = next(template for template in FAMILIES if template.name == "qwen")
    assert not qwen.context_helps(494_000_000)
    assert qwen.context_helps(1_540_000_000) and qwen.context_helps(0)
    mellum = next(template for template in FAMILIES if template.name == "mellum")
    assert mellum.context_helps(1)
    assert not next(t for t in FAMILIES if t.name == "starcoder").context_helps(3_000_000_000)


def texts(tree: ast.Module) -> Iterator[str]:
    """All strings of a module, except docstrings."""
    docstrings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            yield node.value


def test_no_other_module_knows_a_special_token() -> None:
    tokens = {token for family in FAMILIES for token in (*family.markers, *family.stop, *family.reserved)}
    telling = [token for token in tokens.union(END_TOKENS) if "|" in token or "｜" in token or "fim" in token]
    assert len(telling) > 30
    package = Path(aix_lsp.__file__).parent
    found = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        for text in texts(ast.parse(file.read_text("utf-8")))
        if any(token in text for token in telling)
    }
    assert found == {"fim/templates.py"}

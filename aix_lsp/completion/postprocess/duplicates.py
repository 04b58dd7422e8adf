"""Ends a suggestion before it repeats what is around the cursor or in its prompt, or repeats itself."""

from __future__ import annotations

import re
from urllib.parse import unquote

from aix_lsp.completion.brackets import state_at, unpaired
from aix_lsp.completion.cursor import CursorContext
from aix_lsp.completion.postprocess import Cut
from aix_lsp.fim.block import closes_block, indentation
from aix_lsp.languages import language_of

_NOTES = ("the file path is:", "the code file is written by")
"""Comments with which the prompts of some model families begin; see fim/family.py."""
_LABELS = ("path:", "file:", "filename:", "file path:", *_NOTES)
_LABEL = re.compile(rf"(?:{'|'.join(map(re.escape, _LABELS))})\s*", re.IGNORECASE)

_WORD = re.compile(r"\w+")
_WORD_CHARS = re.compile(r"[^\W_]")
_SURE = 3
"""This many characters of the line's rest, or all of it, at the suggestion's end are no coincidence."""
_PIECES = re.compile(r"(.{3,40}?)\1{4,}")
"""Five repetitions are a loop; three are ordinary."""
_LONG_PIECES = re.compile(r"(.{11,80}?)\1{2,}")
_LARGEST_BLOCK = 6
_STRING_PREFIX = re.compile(r"\b[A-Za-z]{1,2}\Z")
_LAST_WORD = re.compile(r"[\w.]+\Z")
_IN_WORD = re.compile(r"\w\w")
_OPEN_END = re.compile(r"[\s,.+\-*/%=<>&|^:!?]+\Z")


def echo(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut before a comment line that names this file, or repeats a comment from the prompt template.

    A file may begin with such a line, and a comment that the user has begun is the user's.
    """
    mark = language_of(cursor.language).line_comment
    if not mark or not cursor.before.strip():
        return Cut(text)
    name = unquote(cursor.uri.rpartition("/")[2])
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if index == 0 and cursor.line_before.strip():
            continue
        if index == len(lines) - 1 and not done:
            return Cut("\n".join(lines[:index]) if _may_echo(line.strip(), mark) else text)
        if _echoes(line.strip(), mark, name):
            return Cut("\n".join(lines[:index]), stop=True)
    return Cut(text)


def _echoes(line: str, mark: str, name: str) -> bool:
    if not line.startswith(mark):
        return False
    body = line[len(mark) :].strip()
    if body.lower().startswith(_NOTES):
        return True
    path = _LABEL.sub("", body, count=1)
    return "." in name and " " not in path and (path == name or path.endswith("/" + name))


def _may_echo(head: str, mark: str) -> bool:
    """Whether a line that begins like this may turn out to be an echo."""
    if not head.startswith(mark):
        return bool(head) and mark.startswith(head)
    body = head[len(mark) :].strip().lower()
    return " " not in body or any(label.startswith(body) or body.startswith(label) for label in _LABELS)


def overlap(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut before a repetition of the rest of the line.

    A suggestion that ends its line without the rest has written another line, which would make no sense before the
    rest, except for its first word, which may complete the one at the cursor. Which case it is becomes clear only at
    the line's end, so until then no more than that word is shown.
    """
    rest = cursor.line_after.rstrip()
    if not cursor.in_mid_line:
        return Cut(text)
    line, newline, _ = text.partition("\n")
    at = line.find(rest.strip())
    if at >= 0:
        return Cut(line[:at] if rest[0] != " " else line[:at].rstrip(), stop=True)
    word = _WORD.match(line)
    if newline:
        keep = word if cursor.word_before or not rest[0].isalnum() else None
        return Cut(keep[0] if keep else "", stop=True)
    if not done:
        # If the rest begins with a word, that may begin inside this one.
        whole = word if not _WORD.match(rest.strip()) else None
        return Cut(whole[0] if whole and whole.end() < len(line) else "")
    shared = shared_length(line, rest)
    return Cut(line[: len(line) - shared] if shared >= min(_SURE, len(rest)) else line)


def above(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Show nothing while the first line may become the line above; if it does, show only the end of the word.

    People do write lines that begin like the one above.
    """
    target = cursor.line_above().rstrip()
    if not _significant(target):
        return Cut(text)
    first, newline, _ = text.partition("\n")
    whole = (cursor.line_before + first).rstrip()
    if newline or done:
        return Cut(_word_begun(first, cursor), stop=True) if whole == target and first.strip() else Cut(text)
    return Cut("") if first.strip() and target.startswith(whole) else Cut(text)


def below(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut before a line that repeats the next one in the document; on the cursor's own line, keep the end of its word.

    A short line that ends a block (`end`, `</p>`) must also have the same indentation; `balance` handles brackets.
    """
    target = cursor.line_below().rstrip()
    if not target:
        return Cut(text)
    lines = text.split("\n")
    for index, line in enumerate(lines):
        whole = cursor.line_before + line if index == 0 else line
        fresh = index > 0 or not cursor.line_before.strip()
        if not line.strip():
            continue
        if index == len(lines) - 1 and not done:
            return Cut("\n".join(lines[:index]) if _may_repeat(whole, target, fresh) else text)
        if _repeats(whole, target, fresh):
            return Cut("\n".join(lines[:index]) if index else _word_begun(line, cursor), stop=True)
    return Cut(text)


def _repeats(line: str, target: str, fresh: bool) -> bool:
    """Whether `line` is the line below; `fresh` says that the suggestion wrote all of it."""
    if line.rstrip() == target:
        return _counts(target, fresh)
    return fresh and _as_deep(line, target) and _significant(target) and _alike(line, target)


def _may_repeat(head: str, target: str, fresh: bool) -> bool:
    """Whether a line that begins with `head` may turn out to repeat the line below."""
    if target.startswith(head.rstrip()):
        return _counts(target, fresh)
    return fresh and _as_deep(head, target) and _significant(target) and _may_become_alike(head, target)


def _counts(target: str, fresh: bool) -> bool:
    """Whether equality with the line below means repetition: a bracket or a short word occurs on many lines."""
    return _significant(target) or (fresh and closes_block(target) and any(map(str.isalpha, target)))


def _as_deep(line: str, target: str) -> bool:
    return indentation(line) == indentation(target)


def repetition(text: str, cursor: CursorContext, done: bool) -> Cut:
    """Cut after the first iteration of a loop, and drop what that leaves unfinished.

    The only filter that takes back what was shown: a loop becomes apparent only after some iterations.
    """
    in_line, over_lines = _in_line(text), _over_lines(text)
    if in_line < over_lines:
        return Cut(_tidied(text, in_line, cursor), stop=True)
    return Cut(text[:over_lines], stop=over_lines < len(text))


def _in_line(text: str) -> int:
    """Where a repeated piece occurs the second time; the text's length if there is none."""
    ends = [
        match.end(1)
        for pattern in (_PIECES, _LONG_PIECES)
        for match in pattern.finditer(text)
        if _no_row(match[1])
    ]
    return min(ends, default=len(text))


def _no_row(snippet: str) -> bool:
    """Whether a piece is unlike those that people repeat on purpose: `0, 0, 0`, `-----`, `=-=-=-`."""
    if any(map(str.isalpha, snippet)):
        return True
    return not any(map(str.isdigit, snippet)) and len(set(snippet) - {" "}) > 2


def _tidied(text: str, end: int, cursor: CursorContext) -> str:
    """The text up to `end` without the string, the word or the operator that the cut leaves open."""
    kept, behind = text[:end], text[end:]
    left = unpaired(kept, cursor.language, state_at(cursor.before, cursor.language))
    if left.in_string and left.state in kept:
        kept = _STRING_PREFIX.sub("", kept[: kept.rfind(left.state)])
    elif _IN_WORD.fullmatch(kept[-1:] + behind[:1]):
        kept = _LAST_WORD.sub("", kept)
    return _OPEN_END.sub("", kept) if any(map(str.isalnum, kept)) else ""


def _over_lines(text: str) -> int:
    """Where the second of two equal blocks of lines begins; the text's length if there is none."""
    complete = text.split("\n")[:-1]
    for end in range(2, len(complete) + 1):
        for size in range(1, min(_LARGEST_BLOCK, end // 2) + 1):
            block = complete[end - size : end]
            if block == complete[end - 2 * size : end - size] and any(map(_significant, block)):
                return len("\n".join(complete[: end - size]))
    return len(text)


def _word_begun(text: str, cursor: CursorContext) -> str:
    """The start of a text that completes the word at the cursor; empty if there is none."""
    word = _WORD.match(text) if cursor.word_before else None
    return word[0] if word else ""


def _significant(line: str) -> bool:
    """Whether a line is so distinctive that writing it twice is an error; `}`, `0,` and `else:` may occur twice."""
    return len(_WORD_CHARS.findall(line)) >= 5 and len(line.strip()) >= 7


def _alike(one: str, other: str) -> bool:
    """Whether two lines have the same words, regardless of what is between them.

    One letter makes a different line: people write `minX` and `minY` below each other. So the usual measure, edit
    distance, would be wrong: all lines that authors wrote above one that differs by less than a tenth were intended.
    """
    return _WORD.findall(one) == _WORD.findall(other)


def _may_become_alike(head: str, other: str) -> bool:
    """Whether a line that begins with `head` may turn out to be `_alike` to `other`."""
    words, wanted = _WORD.findall(head), _WORD.findall(other)
    if not words:
        return True
    last = len(words) - 1
    return words[:last] == wanted[:last] and any(
        word.startswith(words[last]) for word in wanted[last : last + 1]
    )


def shared_length(text: str, follower: str) -> int:
    """How many characters at the end of `text` are also the beginning of `follower`."""
    for length in range(min(len(text), len(follower)), 0, -1):
        if text.endswith(follower[:length]):
            return length
    return 0

"""Parses a request's body into validated parameters, or an error that names the field. Knows no HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import Annotated, Any, Literal, TypeVar

from msgspec import DecodeError, Meta, Struct, ValidationError
from msgspec.json import Decoder

from aix_lsp.fim.confidence import NO_THRESHOLD, ConfidenceThresholds
from aix_lsp.fim.prompt import ContextFile, FimPrompt

MOST_CONTEXT_FILES = 256
_SURROGATE = re.compile(
    rb"\\(?:u[dD][89aAbB][0-9a-fA-F]{2}(\\u[dD][c-fC-F][0-9a-fA-F]{2})?|u[dD][c-fC-F][0-9a-fA-F]{2}|.)",
    re.DOTALL,
)
_HALF, _REPLACED = re.compile(rb"\\u[dD][89a-fA-F]"), rb"\ufffd"
_AT = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)

Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Few = Annotated[int, Meta(ge=0, le=10_000)]
Name = Annotated[str, Meta(max_length=512)]
Path = Annotated[str, Meta(max_length=4096)]
Digest = Annotated[str, Meta(max_length=64)]
StopString = Annotated[str, Meta(max_length=64)]
"""OpenAI's interface allows four stops; these are short, too."""


class BadField(ValueError):
    """A field's value is not accepted. The message names the field and what it takes."""


@dataclass(frozen=True, slots=True)
class CompletionParameters:
    """A completion request's parameters. Times are in milliseconds; docs/engine-api.md explains the fields."""

    prompt: FimPrompt
    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    n: int = 1
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_when: str = ""
    confidence: ConfidenceThresholds = NO_THRESHOLD
    logprobs: int | None = None
    stream: bool = False
    client: str = ""
    tenant: str = ""
    stream_key: str = ""
    priority: int = 1
    deadline_ms: int | None = None
    heal: bool = True
    recall: float | None = None
    corpus: tuple[str, ...] = ()
    shown: int = 0
    accepted: int = 0


class _ContextFile(Struct):
    path: Path | None = None
    text: str | None = None


class _Confidence(Struct):
    head: Probability | None = None
    whole: Probability | None = None
    further: Probability | None = None


class _Extension(Struct):
    path: Path | None = None
    language: Name | None = None
    context: Annotated[list[_ContextFile], Meta(max_length=MOST_CONTEXT_FILES)] | None = None
    middle: str | None = None
    stream_key: Name | None = None
    priority: Annotated[int, Meta(ge=0, le=3)] | None = None
    deadline_ms: Annotated[int, Meta(ge=1, le=3_600_000)] | None = None
    heal: bool | None = None
    shown: Few | None = None
    accepted: Few | None = None
    stop_when: Literal["", "line", "block"] | None = None
    confidence: _Confidence | None = None
    recall: Probability | None = None
    corpus: Annotated[list[Digest], Meta(max_length=1024)] | None = None
    tenant: Name | None = None


class _Body(Struct):
    model: Name | None = None
    prompt: str | None = None
    suffix: str | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] | None = None
    top_p: Probability | None = None
    top_k: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    min_p: Probability | None = None
    n: Annotated[int, Meta(ge=1, le=16)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: StopString | Annotated[list[StopString], Meta(max_length=4)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    stream: bool | None = None
    user: Name | None = None
    aix: _Extension | None = None


class _CorpusBody(Struct):
    texts: Annotated[list[str], Meta(max_length=1024)] | None = None


_COMPLETION = Decoder(_Body)
_AS_THEY_ARE = {field.name for field in dataclass_fields(CompletionParameters)} - {"prompt"}
"""Parameters copied from the body's field of the same name, unless `parse` converts them."""
_CORPUS = Decoder(_CorpusBody)
_NO_EXTENSION = _Extension()

Fields = TypeVar("Fields")


def parse(body: bytes) -> CompletionParameters:
    """The parameters in the JSON body of a completion request; null means absent. Raises BadField."""
    fields = _decode(_COMPLETION, body)
    aix = fields.aix or _NO_EXTENSION
    prompt = FimPrompt(
        prefix=fields.prompt or "",
        suffix=fields.suffix or "",
        middle=aix.middle or "",
        path=aix.path or "",
        language=aix.language or "",
        context=tuple(ContextFile(file.path or "", file.text or "") for file in aix.context or ()),
    )
    stops = [fields.stop] if isinstance(fields.stop, str) else fields.stop or []
    given: dict[str, Any] = {
        "stop": tuple(stop for stop in stops if stop),
        "confidence": aix.confidence and ConfidenceThresholds(**_present(aix.confidence)),
        "client": fields.user,
        "corpus": tuple(aix.corpus or ()),
    }
    for source in (fields, aix):
        for name in _AS_THEY_ARE.intersection(source.__struct_fields__).difference(given):
            given[name] = getattr(source, name)
    return CompletionParameters(prompt, **{name: value for name, value in given.items() if value is not None})


def parse_texts(body: bytes) -> tuple[str, ...]:
    """The texts in the JSON body of /aix/corpus. Raises BadField."""
    return tuple(_decode(_CORPUS, body).texts or ())


def _present(fields: Struct) -> dict[str, Any]:
    values = {name: getattr(fields, name) for name in fields.__struct_fields__}
    return {name: value for name, value in values.items() if value is not None}


def _decode(decoder: Decoder[Fields], body: bytes) -> Fields:
    try:
        try:
            return decoder.decode(body)
        except ValidationError:
            raise
        except DecodeError:
            # Half a surrogate pair, which JSON allows and UTF-8 does not, becomes U+FFFD.
            mended = _mended(body)
            if mended is None:
                raise
            return decoder.decode(mended)
    except ValidationError as error:
        raise BadField(_described(str(error))) from None
    except (DecodeError, RecursionError):
        raise BadField("the body is not JSON in UTF-8, or is nested too deeply") from None


def _mended(body: bytes) -> bytearray | None:
    """The body with each lone surrogate replaced by U+FFFD, or None if it has none.

    In place and one by one: a single substitution of millions would hold Python's lock for 0.3 s.
    """
    if _HALF.search(body) is None:
        return None
    mended = bytearray(body)
    for found in _SURROGATE.finditer(body):
        if found.end() - found.start() == len(_REPLACED):
            mended[found.start() : found.end()] = _REPLACED
    return mended


def _described(message: str) -> str:
    """The library's message (“Expected `int` >= 1 - at `$.n`”) with the field first."""
    found = _AT.fullmatch(message)
    what, where = (found[1], found[2]) if found else (message, "")
    return f"{where or 'the body'}: {what[:1].lower()}{what[1:].replace('`', '')}"

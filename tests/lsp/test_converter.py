"""An invalid message costs little, however many of its parts are invalid."""

from __future__ import annotations

import attrs
import pytest
from lsprotocol import types

from aix_lsp.lsp.converter import reason, shared_converter

MANY = 2_000
PARAMS = sorted(
    {
        (kind, field.name)
        for kind in vars(types).values()
        if isinstance(kind, type) and attrs.has(kind) and kind.__name__.endswith("Params")
        for field in attrs.fields(attrs.resolve_types(kind))
        if "Sequence[" in str(field.type)
    },
    key=str,
)


def errors(error: BaseException) -> int:
    """The number of exceptions in an exception group."""
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return 1 + sum(map(errors, inner))


@pytest.mark.parametrize("value", ["x" * MANY, [None] * MANY, [{}] * MANY, [[]] * MANY, [7] * MANY])
@pytest.mark.parametrize(("kind", "name"), PARAMS, ids=lambda part: getattr(part, "__name__", part))
def test_errors_are_not_collected_without_end(kind: type, name: str, value: object) -> None:
    name = "".join(part.title() if at else part for at, part in enumerate(name.split("_")))
    try:
        shared_converter().structure({name: value}, kind)
    except Exception as error:
        assert errors(error) < 40


def test_the_first_invalid_item_is_named() -> None:
    given = {"changes": [{"uri": "file:///a", "type": 2}, {"uri": 3, "type": 2}, {"uri": 4, "type": 2}]}
    with pytest.raises(Exception, match="DidChangeWatchedFilesParams") as raised:
        shared_converter().structure(given, types.DidChangeWatchedFilesParams)
    assert reason(raised.value) == "invalid value for type, expected str @ params.changes[1].uri"

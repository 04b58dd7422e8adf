"""The imports found in files."""

from __future__ import annotations

import pytest

from aix_lsp.completion.context.index.imports import Import, import_statements


@pytest.mark.parametrize(
    ("language", "head", "found"),
    [
        ("python", "import a.b as c, d", [Import(("a", "b")), Import(("d",))]),
        ("python", "from a.b import c as d, e", [Import(("a", "b"), ("c", "e"))]),
        ("python", "from a import (\n    b,  # why, not\n    c,\n)", [Import(("a",), ("b", "c"))]),
        ("python", "from . import b", [Import((), ("b",), 0)]),
        ("python", "from ..a.b import c", [Import(("a", "b"), ("c",), 1)]),
        ("python", "from a import *", [Import(("a",))]),
        ("python", "x = 'import a'\n'''\nimport b\n'''", []),
        ("javascript", "import a, { b as c, d } from './e/f.js'", [Import(("e", "f"), ("a", "b", "d"), 0)]),
        ("javascript", "const { a } = require('../b')", [Import(("b",), ("a",), 1)]),
        ("typescript", "import type { A } from '@/b/c'", [Import(("b", "c"), ("A",))]),
        ("typescriptreact", "import './style.css'", [Import(("style",), (), 0)]),
        ("go", 'import (\n\t"fmt"\n\tx "me.org/a/b"\n)', [Import(("fmt",)), Import(("me.org", "a", "b"))]),
        ("rust", "use crate::a::{B, c};\nmod d;", [Import(("a",), ("B", "c")), Import(("d",))]),
        ("rust", "pub use super::a::B;", [Import(("a",), ("B",))]),
        ("java", "import a.b.C;", [Import(("a", "b", "C"))]),
        ("java", "import static a.b.C.d;", [Import(("a", "b", "C"), ("d",))]),
        ("c", '#include <stdio.h>\n#include "a/b.h"', [Import(("a", "b"))]),
        ("ruby", "require_relative '../a/b'", [Import(("a", "b"), (), 1)]),
        ("php", "<?php\nuse A\\B\\C;", [Import(("A", "B", "C"))]),
        ("haskell", "import A.B", []),
        ("python", "from import from", []),
    ],
)
def test_statements(language: str, head: str, found: list[Import]) -> None:
    assert import_statements(head, language) == found

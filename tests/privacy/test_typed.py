"""Secrets being typed, key by key: masked from the first characters on if there is evidence of what follows."""

from __future__ import annotations

import random
import string

import pytest

from aix_lsp.privacy.line_states import PLAIN
from aix_lsp.privacy.secret_kinds import ALSO_IN_NAMES, BY_START
from aix_lsp.privacy.secrets import char_like, redact_line, style_of

_ALNUM = string.ascii_letters + string.digits
_PREFIXES = sorted(prefix for entries in BY_START.values() for prefix, _ in entries)
_AROUND = (
    ("python", 'client = Client("', '")'),
    ("python", "# ", ""),
    ("python", "/* ", " */"),
    ("go", "x := `", "`"),
    ("yaml", "- ", ""),
    ("shellscript", "echo ", " | tee x"),
    ("json", '{"a": "', '"}'),
    ("xml", "<a>", "</a>"),
    ("markdown", "It is ", "."),
    ("dotenv", "X=", ""),
    ("http", "Authorization: Bearer ", ""),
)
_HEADERS = (
    ("http", "Authorization: Bearer ", ""),
    ("http", "Proxy-Authorization: Basic ", ""),
    ("python", 'headers = {"Authorization": "Bearer ', '"}'),
    ("python", "headers['Authorization'] = 'Basic ", "'"),
    ("typescript", "headers: { Authorization: `Bearer ", "` },"),
    ("shellscript", "curl -H 'Authorization: Bearer ", "' https://x.example.com"),
    ("go", 'req.Header.Set("Authorization", "Bearer ', '")'),
    ("csharp", 'new AuthenticationHeaderValue("Bearer", "', '");'),
    ("nginx", 'proxy_set_header Authorization "Bearer ', '";'),
    ("markdown", "    Authorization: Bearer ", ""),
)


def _as_typed(language: str, before: str, typed: str, behind: str) -> str:
    """What remains of `typed` after redaction."""
    line = before + typed + behind
    clean = redact_line(line, PLAIN, style_of(language), len(before) + len(typed))
    return clean.text[len(before) : len(before) + len(typed)]


@pytest.mark.parametrize("closed", (True, False))
def test_a_known_prefix_masks_from_the_first_character_after_it(closed: bool) -> None:
    rng = random.Random(11)
    found = []
    for prefix in _PREFIXES:
        if len(prefix) < 3 or prefix in ALSO_IN_NAMES:
            continue
        for language, before, behind in rng.sample(_AROUND, 3):
            key = "".join(rng.choices(_ALNUM, k=12))
            for end in range(1, len(key) + 1):
                left = _as_typed(language, before, prefix + key[:end], behind if closed else "")
                if left[len(prefix) :] != "".join(map(char_like, key[:end])):
                    found.append((before, prefix, left))
                    break
    assert found == []


@pytest.mark.parametrize("closed", (True, False))
def test_a_header_masks_from_the_first_character_after_its_scheme(closed: bool) -> None:
    rng = random.Random(12)
    found = []
    for language, before, behind in _HEADERS:
        for alphabet in (_ALNUM, _ALNUM + "+/", _ALNUM + "-_.", string.ascii_lowercase, string.digits):
            key = "".join(rng.choices(alphabet, k=32))
            for end in range(1, len(key) + 1):
                left = _as_typed(language, before, key[:end], behind if closed else "")
                if left != "".join(map(char_like, key[:end])):
                    found.append((before, key[:end], left))
                    break
    assert found == []


@pytest.mark.parametrize("value", ("$TOKEN", "${TOKEN}", "{token}", "{{token}}", "<token>", "%s", "token"))
def test_a_variable_in_a_header_is_left_while_it_is_typed(value: str) -> None:
    for language, before, behind in _HEADERS:
        for end in range(1, len(value) + 1):
            if not value.isalpha() or end == len(value):
                assert _as_typed(language, before, value[:end], behind) == value[:end]


@pytest.mark.parametrize("alphabet", (_ALNUM, _ALNUM + "+/", string.digits + "abcdef"))
def test_sixteen_random_characters_are_masked_without_a_name(alphabet: str) -> None:
    """Random letters and digits; about one in ten thousand may look like a name for a character or two."""
    rng = random.Random(13)
    missed = 0
    for _ in range(1000):
        key = "".join(rng.choices(alphabet, k=16))
        missed += _as_typed("python", 'x = "', key, '"') == key
    assert missed <= 1


_NAMES = """
getElementById self.assertEqual unordered_multimap torch.nn.functional.scaled_dot_product_attention
AbstractBeanFactory2 HTTPServerRequestHandler user_profile_image_url_https_v2 node_modules/typescript/lib
MAX_CONNECTIONS_PER_HOST std::chrono::milliseconds
"""


@pytest.mark.parametrize("name", _NAMES.split())
def test_names_are_left_while_they_are_typed(name: str) -> None:
    for end in range(1, len(name) + 1):
        assert _as_typed("python", "x = ", name[:end], "") == name[:end]

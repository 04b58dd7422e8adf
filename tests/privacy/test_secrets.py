"""Pasted keys: what is replaced in prompts, and what is left alone."""

from __future__ import annotations

import random
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aix_lsp.completion.text import Text
from aix_lsp.privacy import documents
from aix_lsp.privacy.documents import without_secrets
from aix_lsp.privacy.secrets import redact, redact_line, style_of

generator = random.Random(3)


def made(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """An invented key; written out, secret scanners would take it for a real one."""
    return "aB3" + "".join(generator.choice(alphabet) for _ in range(length - 3))


UPPER = string.ascii_uppercase + string.digits


@pytest.mark.parametrize(
    ("before", "secret", "behind"),
    [
        ('key = "AKIA', "B3C" + "".join(generator.choice(UPPER) for _ in range(13)), '"'),
        ("token: ghp_", made(36), ""),
        ("# github_pat_", made(60), " is mine"),
        ("https://gitlab.example/?t=glpat-", made(20), ""),
        ('slack("xoxb-', made(40), '")'),
        ("stripe.api_key = 'sk_live_", made(24), "'"),
        ('"AIza', made(35), '"'),
        ("ANTHROPIC=sk-ant-", made(40), ""),
        ("hf_", made(34), ""),
        ("Bearer eyJ", f"{made(20)}.{made(40)}.{made(43)}", ""),
        ("postgres://admin:", "hunter2!", "@db/main"),
        ('password = "', "Tr0ub4dor&3", '"'),
        ("'client_secret': '", made(30), "',"),
        ('API_KEY := "', made(20), '"'),
        ('data = "', made(64), '"'),
        ("-----BEGIN RSA PRIVATE KEY-----", "\nMIIEow\nIBAAKC\n", "-----END RSA PRIVATE KEY-----\n"),
        ("-----BEGIN PRIVATE KEY-----", "\nMIIEow\nIBAAKC\nstill typing", ""),
    ],
)
def test_secrets_are_replaced_by_similar_placeholders(before: str, secret: str, behind: str) -> None:
    text = f"x = 1\n{before}{secret}{behind}"
    redacted = redact(text)
    assert secret not in redacted.text
    assert redacted.text.startswith(f"x = 1\n{before}")
    assert redacted.text.endswith(behind)
    assert len(redacted.text) == len(text)
    assert [len(line) for line in redacted.text.split("\n")] == [len(line) for line in text.split("\n")]
    assert redacted.placeholders
    assert redact(redacted.text).text == redacted.text


@pytest.mark.parametrize(
    "text",
    [
        'password = os.environ["PASSWORD"]',
        'password = "changeme"',
        'token = "<your token here>"',
        '"ChangeToken": "d4c4f53b-9c7e-47ce-9140-0ee5ff1bcdef"',
        'next_token = "d4c4f53b-9c7e-47ce-9140-0ee5ff1bcdef"',
        'api_key = "${API_KEY}"',
        "def get_token(self, name): return self.tokens[name]",
        'token_type = "bearer_token"',
        'path = "src/components/buttons/primary/PrimaryButton.tsx"',
        'integrity = "sha512-' + made(80) + '"',
        'digest = "' + "0123456789abcdef" * 4 + '"',
        'url = "https://example.org/a/b/c?d=e"',
        'alphabet = "abcdefghijklmnopqrstuvwxyz"',
        'secret_name = "database-credentials"',
        'assert tokens == ["identifier", "operator", "number"]',
        "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----",
        "",
    ],
)
def test_ordinary_code_is_left_alone(text: str) -> None:
    assert redact(text) == (text, ())


@given(st.text(max_size=200))
def test_any_text_keeps_its_shape(text: str) -> None:
    redacted = redact(text)
    assert len(redacted.text) == len(text)
    assert redacted.text.count("\n") == text.count("\n")


def test_a_long_text_without_structure_does_not_take_long() -> None:
    texts = [
        "a" * 30_000,
        "token=" * 5_000,
        "://a:" * 6_000,
        "_" * 30_000,
        "-----BEGIN PRIVATE KEY-----" * 1000,
    ]
    before = time.process_time()
    for text in texts:
        redact(text)
    # Quadratic matching would take minutes; this does not measure time.
    assert time.process_time() - before < 20


def test_closed_documents_are_released() -> None:
    for number in range(40):
        without_secrets(Text.of(f"x = {number}\n{number:x>500000}\n"), "python", 0)
    assert documents._known.currsize <= documents._MOST_CHARACTERS
    assert len(documents._known) < 40


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("requirepass -NXaOq15TDvkIYn27mRwDLUreYffq3", "-NXaOq15TDvkIYn27mRwDLUreYffq3"),
        ('"accessToken": "d4c4f53b-9c7e-47ce-9140-0ee5ff1bcdef"', "d4c4f53b-9c7e-47ce-9140-0ee5ff1bcdef"),
        ("sshpass -p '-QPZh33JPNuv@9DGh1' ssh box", "-QPZh33JPNuv@9DGh1"),
        ("key-string vZsbxXOe_jXOYpUA-sbPzvMzShLghX", "vZsbxXOe_jXOYpUA-sbPzvMzShLghX"),
        ('secure: "MdIUZ_bZLIFTTuouBvXdwMStFqQDHr"', "MdIUZ_bZLIFTTuouBvXdwMStFqQDHr"),
        ('connect("DSN=x;UID=sa;PWD={dragon.winter!61};Encrypt=yes")', "dragon.winter!61"),
        ('totp_secret = "QEHCY64CEAAIOA7XLHRPPACCOL6FAEEG"', "QEHCY64CEAAIOA7XLHRPPACCOL6FAEEG"),
        ('secret: "gnfnerE5UffrdFeA"', "gnfnerE5UffrdFeA"),
        ("git clone https://0V6vdaMIXmdt@git.example.com/team/app.git", "0V6vdaMIXmdt"),
    ],
)
def test_values_that_look_like_something_else(line: str, secret: str) -> None:
    assert secret not in redact(line, "conf").text


@pytest.mark.parametrize(
    "typed", ["MTytuPGyuamxtcRPUcPAK", "patnNAFIampiq2TW", "uUIVihbrltWLKM.atlas", "CKIurNEqbLti"]
)
def test_a_key_with_words_in_it_is_replaced_while_it_is_typed(typed: str) -> None:
    line = f"call('{typed}"
    assert typed[4:] not in redact_line(line, "", style_of("python"), len(line)).text


@pytest.mark.parametrize(
    ("before", "typed"),
    [
        ("- ", "FcDA+PebjvOx/"),
        ("user bob -", "AGdoHAEK7dW"),
        ('"ApplicationInsights": "InstrumentationKey=', "RGCIP9qun/bs"),
        ("git clone https://", "0V6vdaMIXmdt"),
        ("certificate-key: ", "IkyLtrrukXdd"),
    ],
)
def test_half_a_key_that_looks_like_words_is_replaced_while_it_is_typed(before: str, typed: str) -> None:
    line = before + typed
    assert typed not in redact_line(line, "", style_of("yaml"), len(line)).text


_LETTERS = string.ascii_letters + "_-"


def test_a_random_key_without_digits_is_replaced() -> None:
    rng, left = random.Random(11), []
    for _ in range(1000):
        key = "a" + "".join(rng.choices(_LETTERS, k=32)) + "B"
        left += [key for line in (f"key-string {key}", f'send("{key}")') if key in redact(line, "conf").text]
    assert len(left) <= 2 * 50, "of 20 such keys, one passes for a name"


@pytest.mark.parametrize("value", ["{user.password!r:>10}", "{self.token:x}", "{password}", "{a['b']}"])
def test_format_placeholders_are_left_alone(value: str) -> None:
    line = f'password = f"{value}"'
    assert redact(line, "python").text == line

"""Planted secrets and ignored files in workspaces in which the real service runs.

The tests search each request to the backend, including its corpus; files on disk are not searched. A secret counts
as leaked if half of one of its lines is found. For positions, see POSITIONS. `python -m benchmarks.secrets` does the
same with more of each, and with the secrets of tests/privacy/heldout.py.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aix_lsp.backends.base import GenerateRequest
from aix_lsp.completion.context.files import read_source
from aix_lsp.completion.request import CompletionRequest
from aix_lsp.completion.service import CompletionService
from aix_lsp.completion.text import Change, DocumentSnapshot, Edit, Position, Text
from aix_lsp.privacy.documents import without_secrets
from aix_lsp.privacy.secrets import redact
from aix_lsp.settings import Settings
from tests.completion.scripted import ScriptedBackend, turns
from tests.privacy.planted import Plant, leaks, plants

CODE = "def run(values):\n    return [value + 1 for value in values]\n\n\n"
POSITIONS = (
    "above",
    "below",
    "last",
    "first",
    "far above",
    "inside",
    "half typed",
    "key by key",
    "quoted half",
    "cut",
)


def placed(plant: Plant, position: str) -> Iterator[tuple[str, int, str]]:
    """(document, cursor, the part that must not be sent) for a secret in a position."""
    text, secret = plant.text, plant.secret
    at = len(CODE) + len(plant.before)
    if position == "above":
        yield f"{CODE}{text}\n{CODE}", len(CODE) * 2 + len(text) + 1, secret
    elif position == "below":
        yield f"{CODE}{text}\n", len(CODE), secret
    elif position == "last":
        yield f"{CODE}{text}", len(CODE), secret
    elif position == "first":
        yield f"{text}\n{CODE}", len(text) + 1 + len(CODE), secret
    elif position == "far above":
        yield f"{text}\n{CODE * 30}", len(text) + 1 + 30 * len(CODE), secret
    elif position == "cut":
        # The window begins in the middle of the secret.
        yield f"{CODE}{text}\n" + "x = 1\n" * 900, at + len(secret) + len(plant.behind) + 2 + 6 * 200, secret
    elif position == "inside":
        yield f"{CODE}{text}\n{CODE}", at + len(secret) // 2, secret
    elif position == "half typed":
        half = secret[: max(8 if plant.known_from < 16 else 16, len(secret) // 2)]
        yield f"{CODE}{plant.before}{half}", at + len(half), half
    elif position == "quoted half":
        half = secret[: max(8 if plant.known_from < 16 else 16, len(secret) // 2)]
        yield f"{CODE}{plant.before}{half}{plant.behind}\n{CODE}", at + len(half), half
    else:
        for end in range(plant.known_from, len(secret) + 1):
            yield f"{CODE}{plant.before}{secret[:end]}", at + end, secret[:end]


def place_of(text: str, offset: int) -> Position:
    before = text[:offset]
    return Position(before.count("\n"), len(before) - (before.rfind("\n") + 1))


def leaked(plant: Plant, position: str) -> str:
    """A description of what is left of a secret in a document; empty if nothing is."""
    for text, cursor, secret in placed(plant, position):
        line, column = place_of(text, cursor)
        clean, _ = without_secrets(Text.of(text), plant.language, line, column)
        if leaks(secret, str(clean)):
            return secret
    return ""


@pytest.mark.parametrize("position", POSITIONS)
def test_nothing_planted_is_left(position: str) -> None:
    found = [
        f"{plant.kind}: {plant.before}… as far as {len(secret)}"
        for plant in plants(seed=5, each=1)
        if (secret := leaked(plant, position))
    ]
    assert found == []


def test_nothing_planted_is_left_in_text_read_from_files(tmp_path: Path) -> None:
    endings = {"python": "py", "javascript": "js", "shellscript": "sh", "markdown": "md", "plaintext": "txt"}
    for plant in plants(seed=6, each=1):
        file = tmp_path / f"a.{endings.get(plant.language, plant.language)}"
        file.write_text(f"{CODE}{plant.text}\n{CODE}")
        source = read_source(file)
        assert source is not None
        assert not leaks(plant.secret, source.text), plant.kind


class Session:
    """The real service in a workspace, with a backend that records its requests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.backend = ScriptedBackend()
        self.service = CompletionService(self.backend, lambda _: Settings(wait_ms=0), lambda: [root])

    async def ask(self, file: Path, text: str, cursor: int, language: str, typed: str = " ") -> None:
        """Open a document, type at the cursor, and request a suggestion."""
        place = place_of(text, cursor)
        before = DocumentSnapshot(file.as_uri(), 1, language, file.name, Text.of(text))
        self.service.document_opened(before)
        after = DocumentSnapshot(
            file.as_uri(), 2, language, file.name, before.text.replace(place, place, typed)
        )
        self.service.document_changed(Change(before, after, (Edit(place, place, typed),)))
        request = CompletionRequest(after, Position(place.line, place.column + 1), "invoked")
        stream = self.service.suggest(request)
        answer = asyncio.create_task(anext(stream))
        asked = len(self.backend.calls)
        async with asyncio.timeout(60):
            while not answer.done() and len(self.backend.calls) == asked:
                await turns(5)
                await asyncio.sleep(0.001)
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)
        await stream.aclose()

    def sent(self) -> str:
        return "\n".join(map(_all_of, (call.request for call in self.backend.calls)))


def _all_of(request: GenerateRequest) -> str:
    prompt = request.prompt
    context = [f"{file.path}\n{file.text}" for file in prompt.context]
    return "\n".join(
        [
            prompt.prefix + prompt.middle,
            prompt.suffix,
            prompt.path,
            *context,
            *(t.text for t in request.corpus),
        ]
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
async def test_nothing_planted_leaves_a_workspace(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = random.Random(seed)
    root = tmp_path_factory.mktemp("w")
    pool = list(plants(seed, 1))
    hidden = "hidden" + "".join(rng.choice("bcdfghjk") for _ in range(12))
    (root / ".gitignore").write_text("private/\n*.gen.py\n")
    for name in (".env", "private/a.py", "b.gen.py", "id_rsa", "src/.envrc"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{hidden} = 1\n")
    (root / "linked.py").symlink_to(root / "private/a.py")
    planted = rng.sample(pool, 6)
    for number, plant in enumerate(planted):
        (root / f"src/n{number}.py").write_text(f"{CODE}{plant.text}\n{CODE}")
    session = Session(root)
    try:
        for plant in rng.sample(pool, 4):
            position = rng.choice(POSITIONS[:6])
            typed = "x" if position == "inside" else " "
            for text, cursor, _ in placed(plant, position):
                planted.append(plant)
                await session.ask(root / "src/a.py", text, cursor, plant.language, typed)
        for name in (".env", "private/a.py", "b.gen.py", "id_rsa", "linked.py"):
            await session.ask(root / name, f"{hidden} = 1\n", 0, "python")
        await session.ask(root / "src/b.py", CODE, len(CODE), "python")
    finally:
        await session.service.close()
    everything = session.sent()
    assert session.backend.calls
    assert hidden not in everything
    assert [plant.kind for plant in planted if leaks(plant.secret, everything)] == []


HARMLESS = """
550e8400-e29b-41d4-a716-446655440000
d41d8cd98f00b204e9800998ecf8427e
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==
org.springframework.context.annotation.AnnotationConfigApplicationContext
Qwen/Qwen2.5-Coder-7B-Instruct-GPTQ-Int4
meta-llama/Llama-3.2-11B-Vision-Instruct
src/components/buttons/primary/PrimaryButton2.test.tsx
bg-gray-100 hover:bg-gray-200 dark:text-white-500 px-4 py-2
ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/
abcdefghijklmnopqrstuvwxyz
qwertyuiopasdfghjklzxcvbnm
2024-01-31T23:59:59.999999Z
application/vnd.openxmlformats-officedocument.wordprocessingml.document
testThatAUserCanLogInWithValidCredentials2
manylinux_2_17_x86_64.manylinux2014_x86_64
libstdc++-6.0.30-x86_64-linux-gnu.so.6
M12.5 4.3c0-.6.4-1 1-1h8.2a1 1 0 0 1 .7.3
0x7ffee4b5c0a8ff00
AES-256-GCM-SHA384-ECDHE-RSA
us-east-1.compute.internal
iVBORw0KGgo=
X-Requested-With-Token-Header
com.android.support:appcompat-v7:28.0.0
https://example.org/a/b/c?page=2&sort=name
node_modules/@babel/plugin-transform-runtime7
SomeVeryLongClassNameWithManyWords2Factory
user_profile_image_url_https_v2
en_US.UTF-8
v1.2.3-beta.4+build.567
""".strip().splitlines()
NAMED_HARMLESS = """
password = "password"
password = "changeme"
password = os.environ["PASSWORD"]
password = get_password(user)
password: str
token = "<your token here>"
token = "access_token"
token_type = "bearer"
token_url = "https://example.org/oauth2/token"
api_key = "${API_KEY}"
API_KEY_HEADER = "X-Api-Key-2"
secret_name = "database-credentials-v2"
primary_key = "user_id_2"
cache_key = "user:profile:settings:v2"
foreign_key = "account2_id"
password_field = "user[password1]"
password_error = "Password must have 8 characters"
passwordLabel: "Enter your password"
eos_token = "<|endoftext|>"
pad_token_id = 50256
max_tokens = 1024
key = "ArrowLeft2"
keys = ["id", "name2", "value"]
auth = HTTPBasicAuth(user, password)
secretRef: my-secret-2
tokenizer = "Qwen/Qwen2.5-Coder-0.5B"
author = "Ada Lovelace 1815"
public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGfakefakefakefake1"
password = "{{ vault_password }}"
client_id = "my-client-id-2"
extern const unsigned char ossl_der_oid_c2pnb163v1[DER_OID_SZ_c2pnb163v1];
""".strip().splitlines()


def test_harmless_strings_are_left_alone() -> None:
    lines = [f'value = "{text}"' for text in HARMLESS] + NAMED_HARMLESS
    assert len(lines) == 61
    assert [line for line in lines if redact(line, "python").placeholders] == []


TOO_MUCH: dict[str, Callable[[int], str]] = {
    "key-like": lambda size: "aB3" * (size // 3),
    "jwt": lambda size: "eyJ" + "a1-." * (size // 4),
    "heads": lambda size: "-----BEGIN PRIVATE KEY-----" * (size // 27),
    "head lines": lambda size: "-----BEGIN PRIVATE KEY-----\n" * (size // 28),
    "names": lambda size: "token=" * (size // 6),
    "quotes": lambda size: 'password="' * (size // 10),
    "urls": lambda size: "://a:" * (size // 5),
    "blanks": lambda size: "key" + " " * size,
    "under": lambda size: "_" * size,
    "bars": lambda size: "password: " + "|" * size,
    "templates": lambda size: 'password = "' + "${" * (size // 2),
}


@pytest.mark.parametrize("make", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_time_grows_linearly_with_the_text(make: Callable[[int], str]) -> None:
    """Sixteen times the text takes about sixteen times as long; quadratic growth would take 256 times as long."""

    def cost(size: int) -> float:
        text = make(size)
        times = []
        for _ in range(3):
            before = time.process_time()
            redact(text)
            times.append(time.process_time() - before)
        return max(min(times), 0.002)

    small = 1_000  # the larger one is a line of the greatest length that is searched
    assert cost(16 * small) < 80 * cost(small)

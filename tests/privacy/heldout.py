"""A second corpus of invented secrets and of harmless strings, which the detector was not developed on.

`heldout_kinds.py` has the formats of the secrets, `heldout_forms.py` the code around them.
"""

from __future__ import annotations

import base64
import random
import re
import string
from collections.abc import Iterator

from tests.privacy.heldout_forms import ASSIGNMENTS, CONNECTIONS, HEADERS
from tests.privacy.heldout_kinds import NAMED, SHAPED
from tests.privacy.planted import Plant

_ALNUM = string.ascii_letters + string.digits
_ALPHABETS = {
    "a": _ALNUM,
    "w": _ALNUM + "_-",
    "b": _ALNUM + "+/",
    "x": string.digits + "abcdef",
    "l": string.ascii_lowercase + string.digits,
    "u": string.ascii_uppercase + string.digits,
    "t": string.ascii_uppercase + "234567",
    "q": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "z": string.ascii_letters,
    "d": string.digits,
    "s": _ALNUM + "!@%^*_+.?~-",
}
KINDS = len(SHAPED) + len(NAMED)


def _filled(form: str, rng: random.Random) -> str:
    def put(match: re.Match[str]) -> str:
        count = int(match[2])
        if match[1] == "i":
            return base64.b64encode("".join(rng.choices(string.digits, k=count)).encode()).decode()
        alphabet = _ALPHABETS[match[1]]
        while True:
            made = "".join(rng.choices(alphabet, k=count))
            if count < 8 or (alphabet in {_ALPHABETS["z"]}) or any(c.isdigit() for c in made):
                return made

    return re.sub(r"<([a-z])(\d+)>", put, form)


def _assignments(name: str, key: str) -> list[tuple[str, str, str, str]]:
    """(form, language, before, behind) of a snake-case name, as each language writes it."""
    camel = re.sub(r"_(.)", lambda m: m[1].upper(), name)
    spelled = {
        "name": name,
        "upper": name.upper(),
        "camel": camel,
        "pascal": camel[0].upper() + camel[1:],
        "kebab": name.replace("_", "-"),
        "dotted": name.replace("_", "."),
        "shown": f"# old one, rotated in May: {key} " if key else f"# {name}: ",
    }
    return [
        (form, language, before.format(**spelled), behind.format(**spelled))
        for form, language, before, behind in ASSIGNMENTS
    ]


_HEADS = ("RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "PRIVATE KEY")


def _blocks(rng: random.Random) -> Iterator[Plant]:
    for head in (*_HEADS, "PGP PRIVATE KEY BLOCK"):
        begin, end = f"-----BEGIN {head}-----", f"-----END {head}-----"
        lines = [_filled("<b64>", rng) for _ in range(12)] + [_filled("<b30>==", rng)]
        body = "\n".join(lines)
        yield Plant(f"{head}, a file", "plaintext", f"{begin}\n", body, f"\n{end}")
        yield Plant(f"{head}, python", "python", f'KEY = """\\\n{begin}\n', body, f'\n{end}\n"""')
        yield Plant(
            f"{head}, yaml",
            "yaml",
            f"  key: |\n    {begin}\n    ",
            body.replace("\n", "\n    "),
            f"\n    {end}",
        )
        escaped = "\\n".join(lines)
        yield Plant(f"{head}, json", "json", f'  "private_key": "{begin}\\n', escaped, f'\\n{end}\\n",')
        yield Plant(f"{head}, env", "dotenv", f'KEY="{begin}\\n', escaped, f'\\n{end}"')
        joined = '\\n" +\n    "'.join(lines)
        yield Plant(
            f"{head}, java", "java", f'  String pem = "{begin}\\n" +\n    "', joined, f'\\n" +\n    "{end}";'
        )


def _values(rng: random.Random) -> Iterator[tuple[str, str, str, str]]:
    """(kind, name, known part, secret)"""
    for kind, form in SHAPED.items():
        known, hidden = form.split("|")
        telling = re.sub(r"\W", "_", kind) + rng.choice(("_token", "_api_key", "_secret"))
        yield kind, rng.choice((telling, "value", "config_entry")), _filled(known, rng), _filled(hidden, rng)
    for kind, (name, form) in NAMED.items():
        known, _, hidden = form.rpartition("|")
        yield kind, name, known, _filled(hidden, rng)


def heldout(seed: int, each: int = 1) -> Iterator[Plant]:
    """Each kind in `each` random forms, and each form of connections, headers and key blocks once."""
    rng = random.Random(seed)
    for kind, name, known, secret in _values(rng):
        forms = _assignments(name, known[:3])
        if set(secret) & set("!@%^*?~"):
            forms = [form for form in forms if form[3] or form[0] in {"env", "yaml", "ini", "properties"}]
        for form, language, before, behind in rng.sample(forms, each):
            if form == "comment" and known:
                before = "# old one, rotated in May: "
            yield Plant(f"{kind}, {form}", language, before + known, secret, behind)
    for form, (language, before, behind) in CONNECTIONS.items():
        for kind in ("<a16>", "<l12>", "<s18>" if "'" in before or '"' in before else "<a20>"):
            hidden = _filled(kind, rng)
            if "://" in before:
                hidden = re.sub(r"[@%?]", "5", hidden)
            yield Plant(f"connection, {form}", language, before, hidden, behind)
    for form, (language, before, behind) in HEADERS.items():
        yield Plant(
            f"header, {form}", language, before, _filled(rng.choice(("<a40>", "<x32>", "<w24>")), rng), behind
        )
    encoded = _filled("<a40>", rng) + "=="
    yield Plant(
        "header, basic", "shellscript", "curl -H 'Authorization: Basic ", encoded, "' https://api.internal"
    )
    account = "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey="
    yield Plant(
        "connection, storage", "json", f'  "c": "{account}', _filled("<b86>==", rng), ';EndpointSuffix=x"'
    )
    yield from _blocks(rng)


HARMLESS = """
request_id = "0f8fad5b-d9cb-469f-a165-70867728950e"
trace = "4bf92f3577b34da6a3ce929d0e0e4736"
commit = "e83c5163316f89bfbde7d9ab23ca2e25604af290"
image: "nginx@sha256:1b2c3d4e5f60718293a4b5c6d7e8f9000a1b2c3d4e5f60718293a4b5c6d7e8f9"
"integrity": "sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg==",
github.com/stretchr/testify v1.8.4 h1:CcVxjf3Q8PM0mHUKJCdn+eZZtm5yQwehR5yeSVQQcUk=
class AbstractSingletonProxyFactoryBean2Configuration:
import com.fasterxml.jackson.databind.deser.std.StdKeyDeserializers
model = "mistralai/Mixtral-8x7B-Instruct-v0.1"
model: "deepseek-ai/DeepSeek-Coder-V2-Lite-Base"
model_name = "sentence-transformers/all-MiniLM-L6-v2"
FROM gcr.io/distroless/python3-debian12:nonroot
path = "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"
const file = "packages/react-dom/src/__tests__/ReactDOMFizzServer-test.js"
<div className="grid grid-cols-12 gap-4 md:grid-cols-6 lg:w-1/2 xl:max-w-7xl">
<a class="btn btn-outline-secondary2 navbar-toggler" href="#collapseExample1">
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
HEX = "0123456789abcdefABCDEF"
URLSAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MOVES = "RNBQKBNRPPPPPPPP"
fen = "r1bqkb1r/pppp1ppp/2n2n2/4p3/2B1P3/5N2/PPPP1PPP/RNBQK2R"
seq = "ATGGCCATTGTAATGGGCCGCTGAAAGGGTGCCCGATAG"
date = "Mon, 02 Jan 2006 15:04:05 GMT"
agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.6099.109"
accept = "text/html,application/xhtml+xml,application/xml;q=0.9"
d = "M10 20v-6h4v6h5v-8h3L12 3 2 12h3v8z"
color = "#1a2b3c4d"
format = "%Y-%m-%dT%H:%M:%S.%fZ"
regex = r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Z]{2,}$"
password = input("Password: ")
password = getpass.getpass()
password: str | None = None
password = settings.DATABASE_PASSWORD
password_hasher = "django.contrib.auth.hashers.Argon2PasswordHasher"
"password": "string"
PASSWORD_RESET_TIMEOUT_DAYS = 3
password_regex = "^(?=.*[a-z])(?=.*[A-Z]).{8,}$"
password=$DB_PASSWORD
  password: ${{ secrets.REGISTRY_PASSWORD }}
  password: !vault |
password = "********"
password = "<password>"
token = next(tokens)
token = self.tokenizer.bos_token_id
token: "refresh_token"
tokens_per_second = 123.45
api_key = os.environ.get("OPENAI_API_KEY")
apiKey: process.env.NEXT_PUBLIC_API_KEY,
api_key = "YOUR_API_KEY"
SECRET_KEY = config("SECRET_KEY")
secret = kubernetes.client.V1Secret(metadata=meta)
key = f"user:{user_id}:session:{session_id}"
key={`${item.id}-${index}`}
keyword = "SELECT2"
sort_key = lambda item: item.created_at2
translation_key = "errors.validation.required_field2"
ssh_key_path = "~/.ssh/id_ed25519"
credentials = Credentials.from_service_account_file(path2)
auth_url = "https://accounts.example.org/o/oauth2/v2/auth"
""".strip().splitlines()

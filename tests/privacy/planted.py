"""Invented secrets, generated from a seed: of the families that gitleaks lists, as people write them into files.

Nothing here looks like a key until it is generated, so secret scanners find none in this file.
"""

from __future__ import annotations

import base64
import random
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_LOWER, _UPPER, _DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
_ALNUM = string.ascii_letters + _DIGITS
_URLSAFE = _ALNUM + "-_"
_HEX = _DIGITS + "abcdef"


@dataclass(frozen=True)
class Plant:
    """Lines with a secret in them. `secret` is the part that must not be sent; `before` is the text to its left."""

    kind: str
    language: str
    before: str
    secret: str
    behind: str

    @property
    def text(self) -> str:
        return self.before + self.secret + self.behind

    @property
    def known_from(self) -> int:
        """The number of typed characters from which the secret must be detected; a placeholder may share fewer by
        chance. test_typed.py tests what is detected from the first character on."""
        if self.before[-1:].isalnum() or self.before.endswith(("_", "-", ".")):
            return (
                12 if re.search(r"[\w-]{5}$", self.before) else 16
            )  # names begin with the short prefixes too
        near = "\n".join(self.before.split("\n")[-3:])
        return 12 if _TELLING.search(near) else 16


_TELLING = re.compile(
    r"pass|pw|ps|secret|token|key|auth|bearer|basic|cred|log[ io]|user|session|cookie|sid|sig|salt|pin|otp|seed|phrase"
    r"|mnemonic|dsn|://|@|-|[:/]$|identified|BEGIN|cert|account|conn|client|access|kind|\$|with|web|PAT\b|hash|id\b",
    re.IGNORECASE,
)


def _of(characters: str, length: int) -> Callable[[random.Random], str]:
    return lambda rng: "".join(rng.choice(characters) for _ in range(length))


def _uuid(rng: random.Random) -> str:
    part = _of(_HEX, 32)(rng)
    return "-".join((part[:8], part[8:12], part[12:16], part[16:20], part[20:]))


def _password(rng: random.Random) -> str:
    """A password as people choose or generate it."""
    word = rng.choice(("Summer", "Winter", "dragon", "Tr0ub4dor", "correcthorse", "Falcon"))
    made = rng.choice(_ALNUM) + "".join(rng.choice(_ALNUM + "!#%^*+-_=.") for _ in range(11))
    return rng.choice(
        (
            f"{word}{rng.randrange(10, 9999)}!",
            f"{word}-{made}",
            made,
            f"{made}example{rng.randrange(100)}",
            f"your{made}",
        )
    )


def _jwt(rng: random.Random) -> str:
    parts = (_of(_URLSAFE, length)(rng) for length in (33, 190, 43))
    return ".".join(parts)


def _body(rng: random.Random) -> str:
    lines = [_of(_ALNUM + "+/", 64)(rng) for _ in range(6)]
    return "\n".join([*lines, _of(_ALNUM, 30)(rng) + "=="])


def _basic(rng: random.Random) -> str:
    return base64.b64encode(f"admin:{_password(rng)}".encode()).decode()


# (family, the common prefix, the rest). They occur anywhere: in a string, a comment, a call.
_SHAPED: tuple[tuple[str, str, Callable[[random.Random], str]], ...] = (
    ("aws-key", "AKIA", _of(_UPPER + "234567", 16)),
    ("aws-session-key", "ASIA", _of(_UPPER + "234567", 16)),
    ("github-pat", "ghp" + "_", _of(_ALNUM, 36)),
    ("github-server", "ghs" + "_", _of(_ALNUM, 36)),
    ("github-fine", "github" + "_pat_", _of(_ALNUM, 60)),
    ("gitlab-pat", "glpat" + "-", _of(_URLSAFE, 20)),
    ("gitlab-runner", "glrt" + "-", _of(_URLSAFE, 20)),
    ("slack-bot", "xoxb" + "-", lambda rng: f"{rng.randrange(10**11, 10**12)}-{_of(_ALNUM, 24)(rng)}"),
    ("slack-app", "xapp" + "-1-", _of(_ALNUM, 40)),
    ("stripe", "sk" + "_live_", _of(_ALNUM, 24)),
    ("stripe-restricted", "rk" + "_test_", _of(_ALNUM, 30)),
    ("google", "AIza" + "Sy", _of(_URLSAFE, 33)),
    ("google-oauth", "ya29" + ".", _of(_URLSAFE, 60)),
    ("google-secret", "GOCSPX" + "-", _of(_URLSAFE, 28)),
    ("openai", "sk" + "-proj-", _of(_URLSAFE, 74)),
    ("anthropic", "sk" + "-ant-api03-", _of(_URLSAFE, 93)),
    ("huggingface", "hf" + "_", _of(string.ascii_letters, 34)),
    ("npm", "npm" + "_", _of(_ALNUM, 36)),
    ("pypi", "pypi" + "-", _of(_URLSAFE, 90)),
    ("digitalocean", "dop" + "_v1_", _of(_HEX, 64)),
    ("sendgrid", "SG" + ".", lambda rng: f"{_of(_URLSAFE, 22)(rng)}.{_of(_URLSAFE, 43)(rng)}"),
    ("shopify", "shpat" + "_", _of(_HEX, 32)),
    ("databricks", "dapi", _of(_HEX, 32)),
    ("postman", "PMAK" + "-", lambda rng: f"{_of(_HEX, 24)(rng)}-{_of(_HEX, 34)(rng)}"),
    ("newrelic", "NRAK" + "-", _of(_UPPER + _DIGITS, 27)),
    ("doppler", "dp" + ".pt.", _of(_ALNUM, 43)),
    (
        "dynatrace",
        "dt0c01" + ".",
        lambda rng: f"{_of(_UPPER + _DIGITS, 24)(rng)}.{_of(_UPPER + _DIGITS, 64)(rng)}",
    ),
    ("grafana", "glsa" + "_", lambda rng: f"{_of(_ALNUM, 32)(rng)}_{_of(_HEX, 8)(rng)}"),
    ("planetscale", "pscale" + "_tkn_", _of(_URLSAFE, 43)),
    ("rubygems", "rubygems" + "_", _of(_HEX, 48)),
    ("pulumi", "pul" + "-", _of(_HEX, 40)),
    ("linear", "lin" + "_api_", _of(_ALNUM, 40)),
    ("vault", "hvs" + ".", _of(_URLSAFE, 95)),
    ("age", "AGE-SECRET-KEY" + "-1", _of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
    ("sendinblue", "xkeysib" + "-", lambda rng: f"{_of(_HEX, 64)(rng)}-{_of(_ALNUM, 16)(rng)}"),
    ("telegram", "7012345678:AA", _of(_URLSAFE, 33)),
    ("terraform", "", lambda rng: f"{_of(_ALNUM, 14)(rng)}.atlasv1.{_of(_URLSAFE, 64)(rng)}"),
    ("twilio", "SK", _of(_HEX, 32)),
    ("jwt", "eyJ", _jwt),
    ("random", "", lambda rng: "aZ7" + _of(_ALNUM, 37)(rng)),
)
_AROUND = (
    ("python", 'client = connect("{}")'),
    ("python", "KEYS = ['{}', 'other']"),
    ("python", "# was {} until May"),
    ("javascript", "fetch(`/x?y=1`, { h: '{}' })"),
    ("go", 'c := New("{}")'),
    ("shellscript", "deploy --to prod {}"),
    ("json", '  "x": "{}",'),
    ("markdown", "Use `{}` for that."),
)
# (family, language, line, how the secret is generated). The name reveals it.
_NAMED: tuple[tuple[str, str, str, Callable[[random.Random], str]], ...] = (
    ("password-python", "python", 'password = "{}"', _password),
    ("password-annotated", "python", 'PASSWORD: str = "{}"', _password),
    ("password-bytes", "python", "db_password = b'{}'", _password),
    ("password-f-string", "python", 'passwd = f"{}"', _password),
    ("password-argument", "python", 'connect(host, user="me", password="{}", port=5432)', _password),
    ("password-dict", "javascript", "const c = { user: 'me', password: '{}' }", _password),
    ("password-json", "json", '  "dbPassword": "{}",', _password),
    ("password-yaml", "yaml", "  password: {}", _password),
    ("password-yaml-quoted", "yaml", '  password: "{}"', _password),
    ("password-env", "dotenv", "DB_PASSWORD={}", _password),
    ("password-exported", "shellscript", "export PGPASSWORD={}", _password),
    ("password-ini", "ini", "password = {}", _password),
    ("password-properties", "properties", "spring.datasource.password={}", _password),
    ("password-docker", "dockerfile", "ENV MYSQL_ROOT_PASSWORD {}", _password),
    ("password-docker-equals", "dockerfile", "ENV ADMIN_PASSWORD={}", _password),
    ("password-xml", "xml", "<password>{}</password>", _password),
    ("password-xml-value", "xml", '<add key="Password" value="{}" />', _password),
    ("password-php", "php", "define('DB_PASSWORD', '{}');", _password),
    ("password-ruby", "ruby", "  :password => '{}',", _password),
    ("password-java", "java", '    ds.setPassword("{}");', _password),
    ("password-c", "c", '#define WIFI_PASSWORD "{}"', _password),
    ("password-sql", "sql", "CREATE USER app IDENTIFIED BY '{}';", _password),
    ("password-terraform", "terraform", '  master_password = "{}"', _password),
    ("password-toml", "toml", 'password = "{}"', _password),
    ("password-powershell", "powershell", '$env:ADMIN_PASSWORD = "{}"', _password),
    ("password-comment", "python", "# password: {}", _password),
    ("password-next-line", "python", 'password = (\n    "{}"\n)', _password),
    ("password-list-item", "yaml", "- name: DB_PASSWORD\n  value: {}", _password),
    ("password-fallback", "python", 'os.environ.get("DB_PASSWORD", "{}")', _password),
    ("url", "python", 'url = "postgres://admin:{}@db.internal/main"', _of(_ALNUM + "!-_.", 14)),
    ("url-redis", "yaml", "url: redis://:{}@cache:6379/0", _of(_ALNUM, 18)),
    ("url-token", "shellscript", "git clone https://{}@git.internal/a.git", _of(_HEX, 40)),
    ("connection-string", "csharp", 'var c = "Server=db;User Id=sa;Password={};";', _password),
    ("azure-storage", "csharp", '"AccountName=a;AccountKey={}==;EndpointSuffix=x"', _of(_ALNUM + "+/", 86)),
    ("jdbc", "properties", "url=jdbc:mysql://db/main?user=me&password={}", _of(_ALNUM, 16)),
    ("curl-user", "shellscript", "curl -u admin:{} https://api.internal/x", _of(_ALNUM + "!.", 12)),
    ("curl-bearer", "shellscript", 'curl -H "Authorization: Bearer {}" https://x', _of(_URLSAFE, 40)),
    ("curl-header", "shellscript", "curl -H 'X-Api-Key: {}' https://x", _of(_ALNUM, 32)),
    ("basic", "http", "Authorization: Basic {}", _basic),
    ("token-python", "python", 'token = "{}"', _of(_ALNUM, 32)),
    ("token-hex", "javascript", "const apiToken = '{}';", _of(_HEX, 40)),
    ("api-key-env", "dotenv", "API_KEY={}", _of(_LOWER + _DIGITS, 32)),
    ("api-key-yaml", "yaml", "api_key: {}", _of(_HEX, 32)),
    ("api-key-environ", "python", 'os.environ["API_KEY"] = "{}"', _of(_ALNUM, 40)),
    ("secret-key", "python", "SECRET_KEY = 'django-insecure-{}'", _of(_LOWER + _DIGITS + "!@#^&*(-_=+)", 50)),
    ("client-secret", "json", '"client_secret": "{}",', _of(_ALNUM, 32)),
    ("aws-secret", "ini", "aws_secret_access_key = {}", _of(_ALNUM + "+/", 40)),
    ("heroku", "shellscript", "HEROKU_API_KEY={}", _uuid),
    ("datadog", "yaml", "datadog: {}", _of(_HEX, 40)),
    ("mailchimp", "python", 'mailchimp = "{}-us12"', _of(_HEX, 32)),
    ("cloudflare", "ini", "cloudflare_api = {}", _of(_ALNUM, 40)),
    ("algolia", "javascript", "algolia('APP', '{}')", _of(_HEX, 32)),
    ("slack-hook", "python", 'post("https://hooks.slack.com/services/T0/B0/{}")', _of(_ALNUM, 24)),
    ("discord-hook", "python", '"https://discord.com/api/webhooks/123456789/{}"', _of(_URLSAFE, 68)),
    ("query", "python", 'get("https://x/y?api_key={}&a=b")', _of(_ALNUM, 32)),
    ("netrc", "plaintext", "machine git.internal login me password {}", _of(_ALNUM, 14)),
    ("sshpass", "shellscript", "sshpass -p {} ssh root@host", _of(_ALNUM + "!", 12)),
    ("mysql", "shellscript", "mysqldump -u root -p{} main", _of(_ALNUM + "!", 12)),
    ("option", "shellscript", "serve --password {} --port 1", _of(_ALNUM, 14)),
    ("basic-auth", "python", 'requests.get(url, auth=("me", "{}"))', _password),
    (
        "pem",
        "python",
        'KEY = """-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----"""',
        _body,
    ),
    (
        "pem-plain",
        "plaintext",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----",
        _body,
    ),
    (
        "pem-json",
        "json",
        '"k": "-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----\\n"',
        _of(_ALNUM, 200),
    ),
    ("kubernetes", "yaml", "kind: Secret\ndata:\n  tls: {}", _of(_ALNUM, 28)),
)
KINDS = len(_SHAPED) + len(_NAMED)


def plants(seed: int, each: int) -> Iterator[Plant]:
    """`each` secrets of every kind."""
    rng = random.Random(seed)
    for _ in range(each):
        for kind, common, make in _SHAPED:
            language, line = rng.choice(_AROUND)
            before, _, behind = line.partition("{}")
            yield Plant(kind, language, before + common, make(rng), behind)
        for kind, language, line, make in _NAMED:
            before, _, behind = line.partition("{}")
            yield Plant(kind, language, before, make(rng), behind)


def leaks(secret: str, text: str) -> bool:
    """Whether a text contains at least half of one of the secret's lines."""
    for part in (line.strip(' \t"') for line in secret.split("\n")):
        length = max(5, (len(part) + 1) // 2)
        if any(part[at : at + length] in text for at in range(len(part) - length + 1)):
            return True
    return False

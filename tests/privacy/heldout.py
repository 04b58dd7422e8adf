"""A second corpus of secrets that never were, and of harmless strings: the detector was not written against it.

Kinds are written as formats: `<` a letter and a number `>` stands for so many random characters of an alphabet. What
stands before `|` is known to everybody and need not be hidden. No scanner of repositories finds a key in this file.
"""

from __future__ import annotations

import base64
import random
import re
import string
from collections.abc import Iterator

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
_UUID = "<x8>-<x4>-<x4>-<x4>-<x12>"

SHAPED = {
    "1password": "ops_|eyJ<b240>",
    "adobe": "p8e-|<l32>",
    "age": "AGE-SECRET-KEY-1|<q58>",
    "airtable": "pat|<a14>.<x64>",
    "alibaba": "LTAI|<a20>",
    "anthropic": "sk-ant-api03-|<w93>AA",
    "anthropic admin": "sk-ant-admin01-|<w93>AA",
    "artifactory": "AKCp|<a69>",
    "atlassian": "ATATT3|<w180>=<u8>",
    "aws temporary": "ASIA|<t16>",
    "aws bedrock": "ABSK|<b109>=",
    "azure ad": "|<a3>8Q~<w31>",
    "clojars": "CLOJARS_|<l60>",
    "cloudflare origin": "v1.0-|<x24>-<x146>",
    "databricks": "dapi|<x32>",
    "defined": "dnkey-|<l26>-<l52>",
    "digitalocean": "dop_v1_|<x64>",
    "digitalocean refresh": "dor_v1_|<x64>",
    "discord bot": "<i18>.|G<a5>.<w38>",
    "docker hub": "dckr_pat_|<w27>",
    "doppler": "dp.pt.|<a43>",
    "dropbox": "sl.|<w135>",
    "duffel": "duffel_test_|<w43>",
    "dynatrace": "dt0c01.|<u24>.<u64>",
    "easypost": "EZAK|<a54>",
    "figma": "figd_|<w40>",
    "flutterwave": "FLWSECK_TEST-|<x32>-X",
    "fly": "fm2_|<b120>",
    "frameio": "fio-u-|<w64>",
    "github app": "ghs_|<a36>",
    "github fine": "github_pat_|<a22>_<a59>",
    "gitlab deploy": "gldt-|<w20>",
    "gitlab runner": "glrt-|<w20>",
    "gitlab trigger": "glptt-|<x40>",
    "gitlab job": "glcbt-1f_|<w20>",
    "google": "AIza|<w35>",
    "google oauth": "GOCSPX-|<w28>",
    "grafana cloud": "glc_|eyJ<b80>=",
    "grafana service": "glsa_|<a32>_<x8>",
    "groq": "gsk_|<a52>",
    "harness": "pat.|<a22>.<x24>.<a20>",
    "heroku": "HRKU-AA|<w58>",
    "hubspot": "pat-na1-|" + _UUID,
    "huggingface": "hf_|<z34>",
    "infracost": "ico-|<a32>",
    "jwt": "|eyJ<a33>.eyJ<w80>.<w43>",
    "linear": "lin_api_|<a40>",
    "mailgun": "key-|<x32>",
    "mailchimp": "|<x32>-us20",
    "mapbox": "sk.|eyJ<a60>.<w22>",
    "maxmind": "|<a6>_<a29>_mmk",
    "new relic": "NRAK-|<u27>",
    "new relic insert": "NRII-|<w32>",
    "notion": "ntn_|<d11><a35>",
    "npm": "npm_|<a36>",
    "nuget": "oy2|<l43>",
    "octopus": "API-|<u26>",
    "openai": "sk-|<a20>T3BlbkFJ<a20>",
    "openai project": "sk-proj-|<w74>T3BlbkFJ<w74>",
    "openrouter": "sk-or-v1-|<x64>",
    "openshift": "sha256~|<w43>",
    "perplexity": "pplx-|<a48>",
    "plaid": "access-sandbox-|" + _UUID,
    "planetscale": "pscale_tkn_|<w43>",
    "postman": "PMAK-|<x24>-<x34>",
    "prefect": "pnu_|<l36>",
    "pulumi": "pul-|<x40>",
    "pypi": "pypi-AgEIcHlwaS5vcmc|<w100>",
    "readme": "rdme_|<l70>",
    "replicate": "r8_|<a37>",
    "rubygems": "rubygems_|<x48>",
    "scalingo": "tk-us-|<w48>",
    "sendgrid": "SG.|<w22>.<w43>",
    "sendinblue": "xkeysib-|<x64>-<a16>",
    "sentry": "sntrys_|eyJ<b100>_<b43>",
    "sentry user": "sntryu_|<x64>",
    "settlemint": "sm_pat_|<a16>",
    "shippo": "shippo_live_|<x40>",
    "shopify": "shpat_|<x32>",
    "slack app": "xapp-1-|A<u10>-<d12>-<l64>",
    "slack user": "xoxp-|<d12>-<d12>-<d12>-<x32>",
    "slack hook": "https://hooks.slack.com/services/|T<u8>/B<u10>/<a24>",
    "sonar": "squ_|<x40>",
    "sourcegraph": "sgp_|<x16>_<x40>",
    "square": "EAAA|<w60>",
    "stripe": "sk_test_|<a24>",
    "stripe restricted": "rk_live_|<a99>",
    "stripe hook": "whsec_|<a32>",
    "supabase": "sbp_|<x40>",
    "tailscale": "tskey-auth-|<a11>CNTRL-<a32>",
    "teams hook": f"https://acme.webhook.office.com/webhookb2/|{_UUID}@{_UUID}/IncomingWebhook/<x32>/{_UUID}",
    "telegram": "<d10>:AA|<w33>",
    "terraform": "|<a14>.atlasv1.<w64>",
    "twilio": "SK|<x32>",
    "typeform": "tfp_|<w59>",
    "vault": "hvs.|<w95>",
    "xai": "xai-|<a80>",
    "yandex": "AQVN|<w35>",
}
NAMED = {
    "adafruit": ("adafruit_api_key", "<l32>"),
    "asana": ("asana_client_secret", "<l32>"),
    "aws": ("aws_secret_access_key", "<b40>"),
    "bitbucket": ("bitbucket_client_secret", "<w64>"),
    "cloudflare": ("cloudflare_api_key", "<w40>"),
    "codecov": ("codecov_token", "<l32>"),
    "coinbase": ("coinbase_access_token", "<w64>"),
    "contentful": ("contentful_access_token", "<w43>"),
    "datadog": ("datadog_app_key", "<l40>"),
    "discord": ("discord_client_secret", "<w32>"),
    "fastly": ("fastly_api_token", "<w32>"),
    "freemius": ("secret_key", "sk_<s29>"),
    "intercom": ("intercom_api_key", "<w60>"),
    "jfrog": ("jfrog_api_key", "<a73>"),
    "launchdarkly": ("launchdarkly_access_token", "sdk-" + _UUID),
    "lob": ("lob_api_key", "live_<x35>"),
    "messagebird": ("messagebird_api_token", "<l25>"),
    "netlify": ("netlify_access_token", "<w43>"),
    "okta": ("okta_access_token", "00<w40>"),
    "rapidapi": ("rapidapi_access_token", "<w50>"),
    "snyk": ("snyk_token", _UUID),
    "sumologic": ("sumologic_access_key", "<a64>"),
    "travis": ("travisci_access_token", "<a22>"),
    "twitch": ("twitch_api_token", "<l30>"),
    "twitter": ("twitter_bearer_token", "AAAAAAAAAAAAAAAAAAAAAA|<a90>"),
    "zendesk": ("zendesk_secret_key", "<l40>"),
    "password": ("db_password", "<s16>"),
    "short password": ("smtp_passwd", "<s10>"),
    "word in password": ("admin_pass", "<a8>Example<a8>"),
    "pass phrase": ("passphrase", "Gl<l3>-Horse-<a4>-Staple-<d2>"),
}
KINDS = len(SHAPED) + len(NAMED)

_CONNECTIONS = {
    "postgres": ("python", 'engine = create_engine("postgresql+psycopg://app:', '@db.internal:5432/app")'),
    "mongo": (
        "javascript",
        "const db = connect('mongodb+srv://root:",
        "@cluster0.ab1cd.mongodb.net/x?w=majority')",
    ),
    "redis": ("yaml", "url: redis://:", "@cache.internal:6379/0"),
    "amqp": ("ini", "broker = amqp://worker:", "@mq//"),
    "ado": ("csharp", 'var c = "Server=db;Database=x;User Id=sa;Password=', ';Encrypt=true";'),
    "ado short": ("json", '  "Default": "Server=db;uid=sa;pwd=', ';"'),
    "jdbc": ("properties", "spring.datasource.url=jdbc:mysql://db/x?user=root&password=", "&useSSL=false"),
    "odbc": ("python", 'connect("DRIVER={ODBC};SERVER=a;UID=sa;PWD=', '")'),
    "libpq": ("python", "conn = psycopg.connect('host=db user=app password=", " dbname=x')"),
    "curl user": ("shellscript", "curl -sS -u admin:", " https://api.internal/v1/x"),
    "curl long": ("shellscript", 'curl --user "admin:', '" https://api.internal/v1/x'),
    "git remote": ("shellscript", "git clone https://ci-bot:", "@git.internal/acme/app.git"),
    "mysql": ("shellscript", "mysql -u root -p", " app < dump.sql"),
    "sshpass": ("shellscript", "sshpass -p '", "' ssh deploy@host"),
    "docker login": ("shellscript", "docker login -u acme -p ", " registry.internal"),
    "option": ("shellscript", "./deploy --db-password=", " --verbose"),
    "option apart": ("shellscript", "./deploy --db-password ", " --verbose"),
    "identified": ("sql", "CREATE USER app IDENTIFIED BY '", "';"),
    "pgpassword": ("makefile", "\tPGPASSWORD=", " psql -h db app"),
    "xml": ("xml", "    <password>", "</password>"),
    "xml attribute": ("xml", '  <add key="DbPassword" value="', '" />'),
    "basic auth": ("python", 'requests.get(url, auth=("admin", "', '"))'),
    "call": ("java", 'config.setPassword("', '");'),
    "getenv": ("python", 'value = os.getenv("DB_PASSWORD", "', '")'),
    "k8s env": ("yaml", "        - name: DB_PASSWORD\n          value: ", ""),
    "compose": ("yaml", "      - POSTGRES_PASSWORD=", ""),
}
_HEADERS = {
    "bearer": ("shellscript", 'curl -H "Authorization: Bearer ', '" https://api.internal'),
    "token header": ("shellscript", "curl --header 'PRIVATE-TOKEN: ", "' https://api.internal"),
    "api header": ("http", "X-Api-Key: ", ""),
    "fetch": ("typescript", "  headers: { Authorization: `Bearer ", "` },"),
    "header map": ("python", '    "Authorization": "token ', '",'),
    "set header": ("go", 'req.Header.Set("X-Auth-Token", "', '")'),
    "query": ("python", 'url = "https://api.internal/v1?limit=10&access_token=', '&page=2"'),
}


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
    """(form, language, before, behind) of a name in snake case, as each language writes it."""
    upper, camel = name.upper(), re.sub(r"_(.)", lambda m: m[1].upper(), name)
    pascal, kebab, dotted = camel[0].upper() + camel[1:], name.replace("_", "-"), name.replace("_", ".")
    shown = f"# old one, rotated in May: {key} " if key else f"# {name}: "
    return [
        ("env", "dotenv", f"{upper}=", ""),
        ("env quoted", "dotenv", f"{upper}='", "'"),
        ("yaml", "yaml", f"  {kebab}: ", ""),
        ("yaml quoted", "yaml", f'  {camel}: "', '"  # staging'),
        ("ini", "ini", f"[main]\n{name} = ", ""),
        ("properties", "properties", f"service.{dotted}=", ""),
        ("docker env", "dockerfile", f"ENV {upper}=", ""),
        ("docker env old", "dockerfile", f"ENV {upper} ", ""),
        ("docker arg", "dockerfile", f'ARG {upper}="', '"'),
        ("json", "json", f'{{\n  "{camel}": "', '"\n}'),
        ("json dense", "json", f'{{"a":1,"{name}":"', '","b":[]}'),
        ("toml", "toml", f'[auth]\n{name} = "', '"'),
        ("toml literal", "toml", f"{kebab} = '", "'"),
        ("terraform", "terraform", f'variable "{name}" {{\n  default = "', '"\n}'),
        ("terraform map", "terraform", f'    {name.ljust(28)} = "', '"'),
        ("f-string", "python", f'{name} = f"', '"'),
        ("b-string", "python", f"{name} = b'", "'"),
        ("keyword", "python", f'client = Client(timeout=3, {name}="', '")'),
        ("typed", "python", f'{upper}: Final[str] = "', '"'),
        ("tuple", "python", f'    ("{name}", "', '"),'),
        ("subscript", "python", f'os.environ["{upper}"] = "', '"'),
        ("triple", "python", f'{upper} = """', '"""'),
        ("const", "javascript", f"const {camel} = '", "';"),
        ("property", "typescript", f"  {camel}: `", "`,"),
        ("field", "typescript", f'  private readonly {camel}: string = "', '";'),
        ("fallback", "javascript", f'const {camel} = process.env.{upper} || "', '";'),
        ("short", "go", f'\t{camel} := "', '"'),
        ("struct", "go", f"\t\t{pascal}: `", "`,"),
        ("final", "java", f'    private static final String {upper} = "', '";'),
        ("rust", "rust", f'const {upper}: &str = "', '";'),
        ("rust raw", "rust", f'let {name} = r#"', '"#.to_string();'),
        ("rust bytes", "rust", f'let {name} = b"', '";'),
        ("ruby", "ruby", f":{name} => '", "',"),
        ("php", "php", f"define('{upper}', '", "');"),
        ("csharp", "csharp", f'string {camel} = @"', '";'),
        ("swift", "swift", f'let {camel} = "', '"'),
        ("export", "shellscript", f"export {upper}=", ""),
        ("export quoted", "shellscript", f'export {upper}="', '"; run'),
        ("powershell", "powershell", f'$env:{upper} = "', '"'),
        ("batch", "bat", f"set {upper}=", ""),
        ("fish", "fish", f"set -gx {upper} ", ""),
        ("comment", "python", shown, ""),
        ("slashes", "go", f"// {name} = ", ""),
        ("block", "java", f" * {camel}: ", ""),
        ("todo", "python", f"x = 1  # TODO {name} is ", ""),
        ("markdown", "markdown", f"The {name} is `", "`."),
        ("next line", "python", f'{name} = (\n    "', '"\n)'),
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
    for form, (language, before, behind) in _CONNECTIONS.items():
        for kind in ("<a16>", "<l12>", "<s18>" if "'" in before or '"' in before else "<a20>"):
            hidden = _filled(kind, rng)
            if "://" in before:
                hidden = re.sub(r"[@%?]", "5", hidden)
            yield Plant(f"connection, {form}", language, before, hidden, behind)
    for form, (language, before, behind) in _HEADERS.items():
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

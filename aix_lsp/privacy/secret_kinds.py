"""Tables of key formats, and of names and calls that give secrets away. Sources: gitleaks' rules, the vendors' pages.

A key's prefix is common to all keys of its kind and stays; what follows is replaced. The minimum lengths are low, so
that a key is found while it is being typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_W = r"[\w-]"
_ALNUM = "[A-Za-z0-9]"

_PREFIXED: tuple[tuple[str, str, int], ...] = (
    # prefixes (separated by blanks), the characters that follow, their minimum number
    ("AKIA ASIA AGPA AIDA AROA AIPA ANPA ANVA ABIA ACCA A3T", "[A-Z0-9]", 6),
    ("AKID", _ALNUM, 20),
    (
        "rzp_live_ rzp_test_ ddapp_ ddpat_ AVNS_ amzn.mws. zpka_ ddp_ ddo_ ddw_ mdb_sa_sk_ napi_ xsmtpsib- snyk_uat.",
        r"[\w.-]",
        8,
    ),
    (
        "vercel_blob_rw_ wandb_v1_ retool_01 ory_st_ ory_at_ ory_pat_ csk- bb_live_ figo_ figu_ rootly_",
        _W,
        12,
    ),
    ("ABSK bedrock-api-key-", "[A-Za-z0-9+/=]", 12),
    ("LTAI AKCp cmVmd EZAK EZTK HRKU-AA GR1348941", _W, 10),
    ("ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"\w", 8),
    ("glpat- gldt- glft- glrt- glptt- glsoat- glcbt- glffct- glimt- glagent- gloas-", r"[\w.-]", 6),
    ("xoxb- xoxp- xoxa- xoxr- xoxo- xoxs- xoxe- xoxe.xoxp- xoxe.xoxb- xapp-", r"[\w-]", 6),
    ("sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_ rk_prod_ whsec_", r"[\w+/=]", 6),
    ("sk-ant- sk-proj- sk-svcacct- sk-admin- sk-or- sk-lf- sk-", _W, 12),
    ("AIza ya29. GOCSPX- AQVN", r"[\w.-]", 8),
    ("EAAA sq0atp- sq0csp- EAAM EAAC", _W, 12),
    ("hf_ api_org_ npm_ pypi- pplx- gsk_ r8_ tgp_v1_ xai- nvapi- fw_ key- pubkey-", _W, 12),
    (
        "dop_v1_ doo_v1_ dor_v1_ rubygems_ pul- dapi sgp_ sntryu_ sntrys_ rdme_ lin_api_ pnu_ ico-",
        r"[\w=+/-]",
        8,
    ),
    ("shpat_ shpca_ shppa_ shpss_ shippo_live_ shippo_test_ duffel_live_ duffel_test_", r"[\w=-]", 8),
    (
        "PMAK- NRAK- NRII- NRJS- NRRA- SG. dp.pt. dp.st. dt0c01. dt0s01. fio-u- p8e- tk-us- xkeysib-",
        r"[\w.=-]",
        8,
    ),
    (
        "pscale_tkn_ pscale_oauth_ pscale_pw_ tfp_ ntn_ secret_ glsa_ glc_ sm_aat_ sm_pat_ sm_sat_",
        r"[\w=.+/-]",
        8,
    ),
    (
        "hvs. hvb. hvr. fo1_ fm1a_ fm1r_ fm2_ ATATT3 ATCTT3 ATBB s-s4t2ud- s-s4t2af- sha256~ t1.",
        r"[\w=.+/-]",
        10,
    ),
    (
        "AGE-SECRET-KEY-1 A3- API- FLWSECK_TEST- FLWSECK- CLOJARS_ CFPAT- live_ v1.0- ops_ dckr_pat_ akp_",
        r"[\w+/=-]",
        12,
    ),
    (
        "squ_ sqp_ sqa_ figd_ phc_ phx_ ctx7sk- waka_ tskey- tvly- e2b_ lsv2_pt_ lsv2_sk_ pat. sat. sc_ ext_",
        r"[\w.-]",
        14,
    ),
    (
        "sbp_ sb_secret_ dnkey- oy2 access-sandbox- access-development- access-production- pat-na1- pat-na2- pat-eu1-"
        " aio_ lin_oauth_ nfp_ pcsk_ apify_api_ CCIPAT_ CCIPRJ_ bkua_ dckr_oat_ glwt- hcaik_ jina_ xau_ vcp_ rpa_"
        " rnd_ cio pypi-AgEIcHlwaS5vcmc CLOJARS_ glsa_ glc_ sgp_"
        " AAAAAAAAAAAAAAAAAAAAAA",
        r"[\w.-]",
        14,
    ),
    ("EAA re_ xoxd- dp.ct. y0_", r"[\w%+/=-]", 24),
    ("sk_ sdk- api-", "[0-9a-f-]", 32),
)
_ELSEWHERE = (
    # The group is replaced.
    rf"([A-Za-z0-9]{{14}}\.atlas(?:v1?(?:\.{_W}{{0,200}})?)?)(?!\w)",
    rf"pat({_ALNUM}{{14}}\.[a-f0-9]{{0,64}})",
    rf"sl\.({_W}{{40,300}})",
    r"(?!sha|md5)[a-z]{2,8}_([0-9a-f]{40,128})(?!\w)",
    rf"[0-9]{{5,16}}:(A{_W}{{8,64}})",
    rf"([MNO]{_W}{{22,28}}\.{_W}{{4,8}}\.{_W}{{6,80}})",
    r"[\w~.]{2,3}\dQ~([\w~.-]{6,40})",
    rf"(?:SK|AC)([0-9a-f]{{32}})(?!{_ALNUM})",
    r"(?:api|sdk|mob)-([0-9a-f]{8}-[0-9a-f-]{1,28})",
    r"st\.([0-9a-f]{24}\.[0-9a-f]{8,64}(?:\.[0-9a-f]{0,64})?)",
    r"[0-9]{13,16}:([0-9a-f]{8,64})(?!\w)",
    r"access_token\$(?:production|sandbox)\$[0-9A-Za-z]{16}\$([0-9a-f]{6,64})",
    r"([0-9a-f]{16,32})-us[0-9]{1,2}(?!\w)",
    rf"({_ALNUM}{{6}}_{_ALNUM}{{20,29}}_mmk)",
    rf"s\.({_ALNUM}{{24}})(?!{_ALNUM})",
    r"4b1d([A-Za-z0-9]{30,38})",
    r"[0-9]{15,16}[|]([\w-]{20,40})",
    r"[A-Z0-9]{26}\.([\w-]{30,60})",
)
_ANYWHERE = (
    r"hooks\.slack\.com/(?:services|workflows|triggers)/([\w/+-]{6,400})",
    r"discord(?:app)?\.com/api/webhooks/\d{4,25}/([\w-]{6,200})",
    r"webhook\.office\.com/webhookb2/([\w@/-]{8,400})",
    r"hooks\.zapier\.com/hooks/catch/([\w/-]{6,80})",
    r"api\.telegram\.org/bot(\d{4,16}:[\w-]{6,64})",
    r"outlook\.office\.com/webhook/([\w@/-]{8,400})",
    r"maker\.ifttt\.com/trigger/[\w-]{1,80}/with/key/([\w-]{6,80})",
    r"(?:infura\.io/v3|alchemy\.com/v2|g\.alchemy\.com/nft/v\d|bot/v2/hook|hc-ping\.com|webhook\.site|quiknode\.pro)"
    r"/([\w-]{6,200})",
    r"qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=([\w-]{6,80})",
    r"chat\.googleapis\.com/v1/spaces/[\w-]{1,80}/messages\?key=([\w&=%.-]{6,300})",
)


def _by_start() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for prefixes, follows, least in _PREFIXED:
        for prefix in sorted(prefixes.split(), key=len, reverse=True):
            expression = re.compile(rf"{re.escape(prefix)}({follows}{{{least},1024}})")
            found.setdefault(prefix[:2], []).append((prefix, expression))
    return found


BY_START = _by_start()
"""By the first two characters: each prefix, and the expression whose group is replaced. For token starts."""
_ALSO_IN_NAMES = "EAA re_ y0_ sk_ sdk- api- key- fw_ hf_ live_ ops_ ext_ sc_ pat. sat. cio aio_"
ALSO_IN_NAMES = frozenset(_ALSO_IN_NAMES.split())
"""Prefixes that ordinary names may have, too: what follows these must not look like a name."""
UNFINISHED = re.compile(r"[\w.=+/-]{1,1024}|$")
"""A key's characters after its prefix, as far as it has been typed."""
BY_SHAPE = re.compile("|".join(f"(?:{expression})" for expression in _ELSEWHERE))
"""At the start of a token; one of the groups is replaced."""
SITES = (
    *("hooks.", "webhook", "telegram.org/bot", "ifttt", "chat.googleapis"),
    *("infura.", "alchemy.", "/hook/", "hc-ping", "quiknode"),
)
"""WEBHOOK can only match in a line that contains one of these."""
WEBHOOK = re.compile("|".join(_ANYWHERE))
"""Anywhere in a line; one of the groups is replaced."""
JWT = re.compile(r"(?:eyJ|ZXlK)([\w+/=-]{1,}(?:\.[\w+/=-]*){0,4})")

HASHES = re.compile(
    r"(?:\$(?:2[abxy]?\$\d\d|apr1|argon2\w{0,2}|scrypt|pbkdf2[\w-]{0,12}|[156y])\$|pbkdf2_sha\d{1,3}\$|bcrypt_sha256\$)"
    r"([\w./+=$,*-]{4,512})"
)
"""Password hashes, in the formats of crypt(3) and web frameworks; the group is replaced."""

# Names

_AT_WORD = r"(?:(?<![a-z])|(?-i:(?<=[a-z])(?=[A-Z])))"
"""Where a word begins within a name: `pass` in `db_pass` and `dbPass`, not in `bypass`."""
_IN_OTHER_LANGUAGES = """
passwort kennwort losungswort contraseña contrasena contrasenya contrasinal wachtwoord lösenord losenord hasło haslo
heslo geslo zaporka lozinka adgangskode passord salasana jelszó jelszo parola parool slaptažodis şifre sifre sandi
mat_khau matkhau пароль гасло парола лозинка κωδικός κωδικος συνθηματικό 密码 密碼 口令 パスワード 暗証番号 비밀번호
סיסמה סיסמא
"""
_OTHER_LANGUAGES = _IN_OTHER_LANGUAGES.split()
DIVIDED = (
    r"kata[ _]sandi|m[aậ]t[ _]kh[aẩ]u|كلمة[ _](?:المرور|السر)|รหัสผ่าน|पासवर्ड|"
    "contrasen\u0303a|lo\u0308senord|mot[_ ]de[_ ]passe"
)
"""Names of several words, or with combining characters."""


def _any_of(alternatives: Iterable[str]) -> str:
    """An alternation grouped by first letter: one look at the text lets `re` skip a whole group."""
    groups: dict[str, list[str]] = {}
    for alternative in alternatives:
        groups.setdefault(alternative[0], []).append(alternative[1:])
    return "|".join(f"(?-i:[{first}{first.upper()}])(?:{'|'.join(rests)})" for first, rests in groups.items())


_PASSWORDS = r"""
passw(?:or)?d passphrase passcode pswd pwd storepass(?!w) keypass(?!w) requirepass(?!w) masterauth mnemonic
seed[_ ]?phrase recovery[_ ]?phrase identified(?:\s+with\s+\w{1,40})?\s+by
pre-?shared-?key pin[_ -]?code wi-?fi[_ -]?key mot[_ ]?de[_ ]?passe
bind(?:pwd?|pass)(?!w) root(?:pwd?|pass)(?!w) user(?:pwd?|pass)(?!w) db(?:pwd?|pass)(?!w)
"""
PASSWORD = (
    _any_of((*re.split(r"(?<!_)[ \n]+(?!\])", _PASSWORDS.strip()), *_OTHER_LANGUAGES))
    + rf"|(?-i:[A-Z]{{2}}(?<!BY)(?<!OM)PASS(?![A-Za-z]))|{_AT_WORD}(?:{_any_of(('pass', 'pw', 'senha', 'mdp'))})"
    + rf"|{DIVIDED}"
)
_KEYS = """
api access auth private encryption encrypt signing account master session shared license app application
client service deploy admin secret storage subscription hmac crypto encrypted host ssh gpg publishing server
user aes jwt validation decryption cookie integration write read rest merchant consumer vault unseal
"""
_SECRETS = """
secret token credential authorization session[_-]?id webhook connection[_-]?string conn[_-]?str
"""
_SHORT_SECRETS = "creds auth bearer jwt pat clave sig signature dsn hmac totp otp salt pepper psk license sid"
SECRET = (
    _any_of((*_SECRETS.split(), *(rf"{key}[ _.-]?(?:access[ _.-]?)?key" for key in _KEYS.split())))
    + rf"|(?:mfa|totp|otp|2fa)[_-]?seed|_gitlab_session|contribsys__com|{_AT_WORD}(?:{_any_of(_SHORT_SECRETS.split())})"
)
VENDORS = """
adafruit adobe airtable algolia alibaba aliyun amplitude asana atlassian authress beamer bitbucket bittrex
bugsnag clickhouse clojars cloudflare codecov cohere coinbase confluence confluent contentful datadog deepgram
discord docusign dropbox droneci dynatrace elastic etsy facebook fastly finicity finnhub flickr freshbooks
gitter gocardless grafana heroku hubspot infura intercom jfrog artifactory bintray jira kraken kucoin
launchdarkly linkedin linked_in logdna looker mailchimp mailgun mapbox mattermost meraki messagebird mixpanel
netlify newrelic new_relic nytimes okta onesignal opsgenie pagerduty paypal plaid postmark private_?ai pusher
rapidapi razorpay rollbar segment sendbird sendgrid sentry shopify snyk sonar squarespace sumo sumologic
tencent travis trello twilio twitch twitter typeform vercel vonage yandex zendesk zoom
"""
NAMES = re.compile(
    rf"(?P<password>{PASSWORD})|(?P<secret>{SECRET})|(?P<vendor>{_AT_WORD}(?:{_any_of(VENDORS.split())}))"
    rf"|(?P<key>{_AT_WORD}(?:key|client_?id|app_?id))",
    re.IGNORECASE,
)
_CALLED = """
login log_in logon sign_in signin authenticate auth basic_auth setbasicauth basicauth bearer_auth
plainauth httpbasicauth httpdigestauth usernamepasswordcredentials passwordauthentication
networkcredential pscredential usernamepasswordauthenticationtoken getconnection mysqli
mysqli_connect mysqli_real_connect mysql_real_connect mysql_connect pg_connect pdo dbi->connect
wifi.begin wifimulti.addap createhmac createcipheriv createdecipheriv createcipher secretkeyspec
pbekeyspec fernet jwt.encode jwt.decode jwt.sign jwt.verify signwith setsigningkey hmac.new
hmac.compare_digest btoa cookieparser pgp_sym_encrypt pgp_sym_decrypt evp_bytestokey keystore.load
connect_to sp_addlogin set_password setpassword withpassword usepassword createsecretkey ldap_bind
ftp_login imap_open ssh2_auth_password curlopt_userpwd curlopt_password curlopt_xoauth2_bearer
simple_bind_s simple_bind ftp ftp_tls cookies.set set_cookie setcookie
with_credentials withcredentials as_user create_user createuser create_superuser kdf.derive cookiesession
"""
CALLEES = (*_CALLED.split(),)
"""The last parts of the names of calls that take a password, in lower case."""
_ABOUT = """
file filename path dir directory url uri endpoint host port name names type types kind length len size min max
field fields label hint error errors message msg prompt placeholder title description text help policy rule
rules regex pattern format template view page form input button expiry expires expiration ttl timeout age
count limit index column table schema class id ids env var variable param parameter params header headers
prefix suffix encoding algorithm algo alg method provider manager handler helper service factory store storage
validator callback function func required optional enabled disabled visible valid invalid missing strength
score reset change changed update updated create created match matches confirm strategy mode scope scopes
version public test_name arn ref reference source src style color map list usage info status event action
"""
NOT_A_VALUE = frozenset(_ABOUT.split())
"""After a secret's name, these say that the value is something about it: `password_file`, `token_type`."""

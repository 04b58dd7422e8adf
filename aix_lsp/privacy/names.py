"""Lists the names of files that hold credentials, which are never sent unless the user's own `exclude` allows it.

Compiled from the tables of gitleaks, gitrob and shhgit, GitHub's gitignore templates, and the manuals of the tools
named. Patterns are separated by blanks, in gitignore's syntax and in lower case: case is ignored. A pattern with a
slash matches at any depth of the absolute path, one that ends in a slash everything in a folder.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import PurePath

from aix_lsp.privacy.globs import Rule, RuleMatch, Rules, as_bytes, parse
from aix_lsp.privacy.wildmatch import expression

_TABLE = """
# Environments
.env .env.* *.env *.env.* .envrc .env-* .env_* .envs/ .dotenv .environment .flaskenv .dev.vars .dev.vars.* .direnv/
env.local env.prod env.production env.staging mise.local.toml .mise.local.toml run/secrets/ proc/*/environ
# Private keys, certificates with keys, key stores
*.pem *.key *.p8 *.p12 *.pfx *.pkcs12 *.jks *.jceks *.bks *.keystore *.keytab *.kdb *.kdbx *.ppk *.gpg *.pgp *.skr
secring.* *.agilekeychain *.opvault *.keychain *.keychain-db *.snk *.asc.key *.age.key age-key.txt *.jwk *.jwks.json
id_rsa id_dsa id_ecdsa id_ed25519 id_ecdsa_sk id_ed25519_sk id_xmss id_rsa[-_.]* id_dsa[-_.]* id_ecdsa[-_.]*
id_ed25519[-_.]* *_rsa *_dsa *_ecdsa *_ed25519 ssh_host_*_key .ssh/ .gnupg/ .password-store/ sops/age/keys.txt
private.key privatekey.* private_key.* private-key.* *.ovpn wireguard/*.conf wg[0-9].conf krb5cc_* wallet.dat utc--*
*.pvk *.pkcs8 *.psafe3 *.bek *.fve *.tblk *.otr otr.private_key .pki/ key3.db key4.db logins.json cwallet.sso orapw*
private.asc secret.asc privkey.asc *-private.asc .acme.sh/ acme.json letsencrypt/live/ letsencrypt/accounts/
wallet.json bitcoin.conf .bitcoin/ solana/id.json .solana/ .near-credentials/ .ethereum/ mnemonic.txt
seed-phrase.txt seed_phrase.txt .docker/trust/ .docker/contexts/
# Logins of tools
.netrc _netrc .authinfo .npmrc .pypirc .pgpass pgpass.conf .my.cnf .mylogin.cnf .htpasswd .htdigest .git-credentials
git/credentials .git/config .git/credentials .vault-token .vault-pass* .vault_pass* vault_pass* .msmtprc .esmtprc
.fetchmailrc .offlineimaprc .mbsyncrc .muttrc .s3cfg .passwd-s3fs .boto .gist .github_token .hub hub gh/hosts.yml
glab-cli/config.yml .databrickscfg .snowsql/config .snowflake/ .dbt/profiles.yml kaggle.json .kaggle/
huggingface/token huggingface/stored_tokens .ngrok2/ ngrok.yml .cloudflared/ .tugboat doctl/config.yaml .fly/
.netlify/config.json .vercel/auth.json .config/configstore/ .config/op/ .config/stripe/ .dockercfg .docker/config.json
.dockerconfigjson containers/auth.json .composer/auth.json composer/auth.json auth.json .gem/credentials
.bundle/config .cargo/credentials .cargo/credentials.toml .m2/settings.xml .m2/settings-security.xml
.gradle/gradle.properties .nuget/nuget/nuget.config .terraformrc terraform.rc .terraform.d/ .pulumi/credentials.json
rclone.conf .rclone.conf .ftpconfig .ftppass sftp-config.json .vscode/sftp.json .remote-sync.json .ftpquota
filezilla.xml sitemanager.xml recentservers.xml filezilla/ webservers.xml datasources.local.xml .dbeaver/
dbeaver-data-sources.xml credentials-config.json robomongo.json .irssi/config .purple/accounts.xml hexchat/
.jenkins/ hudson.util.secret proftpdpasswd dovecot.passwd .claude.json .claude/.credentials.json .codex/auth.json
.streamlit/secrets.toml .jupyter/jupyter_server_config.json jupyter_notebook_config.json .sentryclirc .wgetrc .curlrc
.gitconfig .gitcookies .hgrc hgrc .subversion/auth/ .bazaar/authentication.conf .arcrc .reviewboardrc .trc knife.rb
.chef/ .transifexrc .jira.d/ .circleci/cli.yml buildkite-agent.cfg .buildkite-agent.cfg .wp-cli/config.yml
config.inc.php secret_token.rb *.secret.exs pip.conf pip.ini .condarc .yarnrc .yarnrc.yml .bunfig.toml
keystore.properties key.properties .smbcredentials smbcredentials davfs2/secrets .davfs2/ chap-secrets pap-secrets
ipsec.secrets wpa_supplicant*.conf *.nmconnection *.remmina *.rdg *.rdp confcons.xml winscp.ini unattend.xml
autounattend.xml sysprep.inf ntds.dit anaconda-ks.cfg .mailrc .getmailrc getmailrc .getmail/ sasl_passwd
exim4/passwd.client dovecot/users ldap.secret odbc.ini .odbc.ini pg_service.conf .pg_service.conf .mongorc.js
.rediscli_auth .cqlshrc cqlshrc .influxdbv2/ .erlang.cookie jaas.conf *_jaas.conf *-jaas.conf .databricks/
.openai .openai_api_key .anthropic .codex/ .gemini/oauth_creds.json .continue/ .aider.conf.yml .llm/ llm/keys.json
io.datasette.llm/ github-copilot/hosts.json github-copilot/apps.json .codeium/config.json .huggingface/ .hf_token
hf_token hf_token.txt sentry.properties .sentry.properties cookies.sqlite login?data .svn/auth/ auth-user-pass.txt
*.vpnc .vpnc/ .openconnect mailrc .mongoshrc.js kickstart.cfg preseed.cfg config/secrets.exs
# Clouds and clusters
.aws/ .azure/ gcloud/ .oci/ .aliyun/ .bluemix/ .config/gcloud/ application_default_credentials.json
access_tokens.db legacy_credentials/ rootkey.csv *accesskeys.csv service-account*.json
service_account*.json serviceaccount*.json *-service-account.json *_service_account.json *firebase-adminsdk*.json
client_secret*.json client-secret*.json gcp-key*.json gcp_key*.json gcloud-key*.json *.publishsettings *.cscfg
*.azurepubxml *.pubxml.user local.settings.json .kube/ kubeconfig *.kubeconfig kubeconfig.* kubeconfig-* kube_config*
k3s.yaml kubeadm/admin.conf kubernetes/admin.conf .minikube/ talosconfig .talos/ helm/registry/config.json .tsh/
helm/repositories.yaml argocd/config .argocd/ .rancher/ .okta/ hcloud/cli.toml scw/config.yaml .civo.json
.config/linode-cli .vultr-cli.yaml vultr-cli.yaml .railway/ .supabase/access-token .wrangler/config/ .mc/config.json
msal_token_cache.* azureauth.json azure_credentials.json accesstokens.json sa-key.json key.json keyfile.json
# Secrets by name
secret.y*ml secret.json secret.toml secret.ini secret.env secret.properties secret.txt secret.key secret_key.*
secrets.y*ml secrets.json secrets.toml secrets.ini secrets.env secrets.properties secrets.txt secrets.xml secrets.conf
secrets.php secrets.rb secrets.h *.secret *.secrets *.secret.y*ml *.secrets.y*ml *-secret.y*ml *-secrets.y*ml
*.secret.json *.secrets.json .secret .secrets .secrets.* .secrets/ .credentials .credentials.* credentials
credentials.yml.enc credentials.toml credentials.ini credentials.xml
credentials.txt credentials.db credentials.tfrc.json credential.json creds.* *.creds
token.json tokens.json token.txt tokens.txt .token .tokens access_token access_token.* apikey apikeys.*
api_keys.* password.txt passwords.csv passwd passwd.txt pwd.txt shadow shadow-
gshadow gshadow- sudoers master.key *.tfvars *.tfvars.json *.tfstate *.tfstate.* tfplan *.tfplan wp-config.php
localsettings.php dbpasswords.* db_password* *credentials.json *credentials.csv *credentials.properties
*credentials.y*ml oauth_creds.json oauth_token.json oauth_token refresh_token
refresh_token.json refresh_token.txt github_token github-token *_token.txt *-token.txt .apikey .api_key .api-key
apikey.txt apikey.json api_key.txt api_key.json api-key.txt api-key.json .secret_key .secret_key_base secret_key_base
arduino_secrets.h passwords.json passwords.y*ml passwords.xml passwords.ini passwords.md *passwords.txt *_password.txt
*-password.txt pass.txt passphrase passphrase.txt logins.txt
group_vars/**/vault* host_vars/**/vault* *_credentials *-credentials credentials.md gh_token oauth.json oauth2.json
access-token .api-keys .api_keys jwk.json *_key.txt *-key.txt pw.txt login.txt .pgpassfile
# Histories of shells and consoles
.*_history *_history .*history .histfile fish_history consolehost_history.txt .lesshst .viminfo .dbshell
# Not these: they are made to be shared
!*.pub !*.example !*.sample !*.template !*.dist !*.tmpl !*.d.ts !id_*.md !id_*.rst !id_*.html
!.env?example !.env?sample !.env?template !.env?dist !.env.defaults !.env.schema !example.env !sample.env
!template.env !*.example.* !*.sample.* !*.template.* !*-example.* !*-sample.* !*_example.* !*_sample.*
"""
_CODE = "py pyi js jsx mjs ts tsx mts go rs java kt swift c h cc cpp hpp cs rb php scala ex lua dart vue"
"""Extensions of source files, which are named after what their code is about: the patterns of _IN_CODE skip them."""
_IN_CODE = "id_* *_history creds private*key api*keys ?*.env secret_key access_token"


def _patterns() -> Iterator[str]:
    for line in _TABLE.splitlines():
        if not line.startswith("#"):
            yield from line.split()
    for name in _IN_CODE.split():
        yield from (f"!{name}.{ending}" for ending in _CODE.split())


HOLDS_SECRETS = tuple(_patterns())
"""The patterns, the one that decides first."""


def sensitive(path: PurePath) -> RuleMatch | None:
    """The table's pattern that says that a file holds credentials, or None.

    `path` is absolute, or as much of it as is known. A folder's pattern covers everything below it.
    """
    parts = [folded(part) for part in path.parts if part not in (path.anchor, "")]
    if not parts:
        return None
    names = [*_originals(parts[-1])]
    found = [_match([*parts[:-1], name]) for name in names]
    if any(match is not None and match.rule.allows for match in found[1:]):
        return None  # a copy of a file made to be shared
    return next((match for match in found if match is not None and match.ignores), None)


def _match(parts: list[str]) -> RuleMatch | None:
    """The table's verdict on a file, or on the first folder above it that the table names."""
    for end in range(1, len(parts)):
        match = _folder_match("/".join(parts[:end]))
        if match is not None:
            return match
    path = as_bytes("/".join(parts))
    return _rules().match(path, is_folder=False) if _may_fit(path) else None


@lru_cache(maxsize=4096)
def _folder_match(folder: str) -> RuleMatch | None:
    path = as_bytes(folder)
    match = _rules().match(path, is_folder=True) if _may_fit(path) else None
    return match if match is not None and match.ignores and match.rule.folders_only else None


_COPY = re.compile(
    r"\.?~(?:\d+~)?$|#$|\.(?:bak|backup|old|orig|original|save|saved|copy|sw[a-p]|te?mp|rej|prev|\d{1,2}|ucf-\w{1,8}"
    r"|dpkg-\w{1,8}|rpm\w{1,8})$"
    r"|(?:(?: -)?[-_. ](?:bak|backup|old|orig|copy|kopie)(?:[ -]?\(?\d{1,2}\)?)?| ?\(\d{1,2}\))(?=(?:\.\w{1,12}){0,2}$)"
)
"""What editors, package managers and people add to the name of a copy."""
_MOST_COPIES = 4


def _originals(name: str) -> Iterator[str]:
    """A file's name, and the names of files that it may be a copy of: `.env` for `.env~`, `.#.env`, `.env (1)`."""
    yield name
    if name.startswith(("#", ".#")):
        name = name.lstrip(".").removeprefix("#")
        yield name
    for _ in range(_MOST_COPIES):
        found = _COPY.search(name)
        if found is None or not found.start():
            return
        name = name[: found.start()] + name[found.end() :]
        yield name
        if found[0].startswith(".s"):
            yield name.removeprefix(".")  # Vim adds a leading dot


def folded(name: str) -> str:
    """A name as seen by file systems that ignore case, Unicode composition and (Windows) trailing dots and streams."""
    name = unicodedata.normalize("NFC", name).casefold()
    if os.name == "nt":
        name = name.partition(":")[0]
    return name.rstrip(". ") or name


@cache
def _rules() -> Rules:
    return Rules(_parsed())


def _parsed() -> list[Rule]:
    return parse("\n".join(map(_at_any_depth, HOLDS_SECRETS)))


def _may_fit(path: str) -> bool:
    """Whether any pattern may forbid a path: one search instead of one per pattern, since most paths match none."""
    names, paths = _joined()
    return names.match(path, path.rfind("/") + 1) is not None or paths.match(path) is not None


@cache
def _joined() -> tuple[re.Pattern[str], re.Pattern[str]]:
    rules = [rule for rule in _parsed() if not rule.allows]
    of_names, of_paths = (
        [
            form.pattern
            for rule in rules
            if rule.anchored is anchored and (form := expression(rule.pattern, anchored))
        ]
        for anchored in (False, True)
    )
    return re.compile("|".join(of_names), re.DOTALL), re.compile("|".join(of_paths), re.DOTALL)


def _at_any_depth(pattern: str) -> str:
    bare = pattern.removeprefix("!")
    if "/" not in bare.rstrip("/"):
        return pattern
    return ("!" if pattern != bare else "") + "**/" + bare

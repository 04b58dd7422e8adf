"""The names of files that hold credentials: what is never sent unless the user's own `exclude` allows it.

Drawn from the tables that gitleaks, gitrob and shhgit keep, from GitHub's gitignore templates, and from the manuals
of the tools named. One pattern a word, in gitignore's syntax, lower case: a file's name is compared without regard to
case. A pattern with a slash holds at any depth of the absolute path, one that ends in a slash for all in a folder.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import PurePath

from aix_lsp.privacy.globs import RuleMatch, Rules, as_bytes, parse

_TABLE = """
# Environments
.env .env.* *.env *.env.* .envrc .env-* .flaskenv .dev.vars .dev.vars.* .direnv/
# Private keys, certificates with keys, key stores
*.pem *.key *.p8 *.p12 *.pfx *.pkcs12 *.jks *.jceks *.bks *.keystore *.keytab *.kdb *.kdbx *.ppk *.gpg *.pgp *.skr
secring.* *.agilekeychain *.opvault *.keychain *.keychain-db *.snk *.asc.key *.age.key age-key.txt *.jwk *.jwks.json
id_rsa id_dsa id_ecdsa id_ed25519 id_ecdsa_sk id_ed25519_sk id_xmss id_rsa[-_.]* id_dsa[-_.]* id_ecdsa[-_.]*
id_ed25519[-_.]* *_rsa *_dsa *_ecdsa *_ed25519 ssh_host_*_key .ssh/ .gnupg/ .password-store/ sops/age/keys.txt
private.key privatekey.* private_key.* private-key.* *.ovpn wireguard/*.conf wg[0-9].conf krb5cc_* wallet.dat utc--*
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
# Clouds and clusters
.aws/ .azure/ gcloud/ .oci/ .aliyun/ .bluemix/ .config/gcloud/ application_default_credentials.json
access_tokens.db legacy_credentials/ rootkey.csv *accesskeys.csv *_credentials.csv credentials.csv service-account*.json
service_account*.json serviceaccount*.json *-service-account.json *_service_account.json *firebase-adminsdk*.json
client_secret*.json client-secret*.json gcp-key*.json gcp_key*.json gcloud-key*.json *.publishsettings *.cscfg
*.azurepubxml *.pubxml.user local.settings.json .kube/ kubeconfig *.kubeconfig kubeconfig.* kubeconfig-* kube_config*
k3s.yaml kubeadm/admin.conf kubernetes/admin.conf .minikube/ talosconfig .talos/ helm/registry/config.json .tsh/
# Secrets by name
secret.y*ml secret.json secret.toml secret.ini secret.env secret.properties secret.txt secret.key secret_key.*
secrets.y*ml secrets.json secrets.toml secrets.ini secrets.env secrets.properties secrets.txt secrets.xml secrets.conf
secrets.php secrets.rb secrets.h *.secret *.secrets *.secret.y*ml *.secrets.y*ml *-secret.y*ml *-secrets.y*ml
*.secret.json *.secrets.json .secret .secrets .secrets.* .secrets/ .credentials .credentials.* credentials
credentials.json credentials.y*ml credentials.yml.enc credentials.toml credentials.ini credentials.xml
credentials.properties credentials.txt credentials.db credentials.tfrc.json credential.json creds.* *.creds
token.json tokens.json token.txt tokens.txt .token .tokens access_token access_token.* apikey apikey.txt api_key.txt
api-key.txt apikeys.* api_keys.* password.txt passwords.txt passwords.csv passwd passwd.txt pwd.txt shadow shadow-
gshadow gshadow- sudoers master.key *.tfvars *.tfvars.json *.tfstate *.tfstate.* tfplan *.tfplan wp-config.php
localsettings.php dbpasswords.* db_password* .pgpassfile
# Histories of shells and consoles
.*_history *_history .*history .histfile fish_history consolehost_history.txt .lesshst .viminfo .dbshell
# Not these: they are made to be shared
!*.pub !*.example !*.sample !*.template !*.dist !*.tmpl !*.d.ts !id_*.md !id_*.rst !id_*.html
!.env.example !.env.sample !.env.template !.env.dist !.env.defaults !.env.schema !example.env !sample.env
!template.env !*.example.* !*.sample.* !*.template.* !*-example.* !*-sample.* !*_example.* !*_sample.*
"""
_CODE = "py pyi js jsx mjs ts tsx mts go rs java kt swift c h cc cpp hpp cs rb php scala ex lua dart vue"
"""Endings of files in which a telling name is what the code is about."""
_IN_CODE = (
    "id_* *_history creds private*key privatekey private_key api*keys ?*.env secret_key access_token apikeys"
)


def _patterns() -> Iterator[str]:
    for line in _TABLE.splitlines():
        if not line.startswith("#"):
            yield from line.split()
    for name in _IN_CODE.split():
        yield from (f"!{name}.{ending}" for ending in _CODE.split())


HOLDS_SECRETS = tuple(_patterns())
"""The patterns, later ones before earlier ones."""


def sensitive(path: PurePath) -> RuleMatch | None:
    """The pattern of the table that says that a file holds credentials; None where none does.

    `path` is absolute, or as much of it as is known. A folder's pattern holds for all below.
    """
    parts = [folded(part) for part in path.parts if part not in (path.anchor, "")]
    for end in range(1, len(parts) + 1):
        match = _rules().match(as_bytes("/".join(parts[:end])), is_folder=end < len(parts))
        if match is not None and match.ignores and (end == len(parts) or match.rule.folders_only):
            return match
    return None


def folded(name: str) -> str:
    """A name as file systems that ignore case, composition and (Windows) trailing dots and streams see it."""
    name = unicodedata.normalize("NFC", name).casefold()
    if os.name == "nt":
        name = name.partition(":")[0]
    return name.rstrip(". ") or name


@cache
def _rules() -> Rules:
    return Rules(parse("\n".join(map(_at_any_depth, HOLDS_SECRETS))))


def _at_any_depth(pattern: str) -> str:
    bare = pattern.removeprefix("!")
    if "/" not in bare.rstrip("/"):
        return pattern
    return ("!" if pattern != bare else "") + "**/" + bare

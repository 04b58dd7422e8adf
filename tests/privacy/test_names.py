"""The tables of names: files with credentials, and similarly named ones without; the assistants' ignore files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from aix_lsp.privacy.ignore import OURS
from aix_lsp.privacy.names import HOLDS_SECRETS, sensitive
from aix_lsp.settings import Settings
from tests.privacy.judged import inactive_reason

SENT_ONCE = """
service-account.json my-service-account.json app-firebase-adminsdk-x1-0a.json kubeconfig prod.kubeconfig
kubeconfig.yaml .dockercfg .envrc AuthKey.p8 cert.p12 .my.cnf .mylogin.cnf prod.auto.tfvars.json a.tfvars
.cargo/credentials.toml .cargo/credentials application_default_credentials.json .streamlit/secrets.toml
secrets.toml .bash_history .zsh_history .python_history .psql_history fish_history ConsoleHost_history.txt
.lesshst .aws/credentials .aws/config sub/.kube/config .docker/config.json .config/gcloud/credentials.db
.azure/token .ssh/config .ssh/known_hosts deep/.ssh/keys/a.txt .gnupg/x .netrc _netrc .pgpass .npmrc .pypirc
.git-credentials .config/git/credentials .git/config .config/gh/hosts.yml .vault-token vault_pass.txt
.htpasswd id_rsa id_rsa.old id_ed25519 deploy_rsa ssh_host_ed25519_key server.pem tls.key a.jks x.keystore
x.kdbx x.ppk .env .ENV .env.local .env.production prod.env .env.js .dev.vars credentials.json
client_secret_1.apps.json secrets.yml secret.yaml db-secret.yaml master.key terraform.tfstate
terraform.tfstate.backup x.ovpn rclone.conf .s3cfg .boto auth.json .terraformrc
.terraform.d/credentials.tfrc.json .m2/settings.xml .gem/credentials wp-config.php rootkey.csv
me_accessKeys.csv shadow passwd ngrok.yml kaggle.json .claude/.credentials.json local.settings.json token.json
.env_prod .envs/.production/.django env.production run/secrets/db_password x.psafe3 key4.db .solana/id.json
acme.json .pip/pip.conf .yarnrc.yml .chef/knife.rb prod.secret.exs key.properties smbcredentials chap-secrets
wpa_supplicant-wlan0.conf x.nmconnection x.rdp winscp.ini sasl_passwd .odbc.ini .pg_service.conf .mongorc.js
.erlang.cookie kafka_client_jaas.conf .codex/auth.json .config/github-copilot/hosts.json io.datasette.llm/keys.json
.config/hcloud/cli.toml .config/argocd/config .railway/config.json msal_token_cache.json key.json
google-credentials.json AwsCredentials.properties oauth_creds.json github_token.txt api_key.json .secret_key
group_vars/all/vault.yml my-passwords.txt .gitcookies .subversion/auth/svn.simple/1a .circleci/cli.yml
"""
COPIES = """
{}~ {}.~1~ .#{} #{}# {}.bak {}.old {}.orig {}.swp .{}.swp {}.dpkg-old {}.1 {}.bak~ {}_backup {}|copy {}|(1) {}|-|Copy
"""
ALLOWED = """
id_rsa.pub id_ed25519.pub .env.example .env.sample .env.template config.env.example secrets.yaml.example
terraform.tfvars.example credentials.json.sample .env.dist id_rsa_parser.py src/credentials.py credentials.ts
environment.py env.py secrets.py secret_manager.go token.py tokenizer.json tokens.go keys.rs key.py
passwords.py password.ts apikeys.go api_keys.py history.py shell_history.py config.json settings.xml
config/credentials.rb kube/config.go docker/config.json aws.py aws/client.go known_hosts.py auth.ts hub.py
vite-env.d.ts process.env.d.ts package.json Dockerfile main.tf variables.tf settings.py my.cnf.py wallet.py
README.md monkey.js .gitignore .git/COMMIT_EDITMSG ssh/config.go secrets/index.ts credentials/__init__.py
creds.go sealedsecret.yaml plan.py~ main.bak.py backup.py #main.py# .env.example~ id_rsa.pub.bak creds.go.orig
.env-example .env_sample api-key.component.ts api_key.md apikey.ts letsencrypt/client.go .Dockerfile.swp
"""


@pytest.mark.parametrize("name", SENT_ONCE.split())
@pytest.mark.parametrize("folder", ["/", "/home/me/project/src/"])
def test_holds_credentials(name: str, folder: str) -> None:
    assert sensitive(PurePosixPath(folder + name)) is not None
    assert sensitive(PurePosixPath(folder + name.upper())) is not None


@pytest.mark.parametrize("copy", COPIES.split())
@pytest.mark.parametrize("name", [".env", "id_rsa", "secrets.yml", ".netrc", "server.pem", "wp-config.php"])
def test_copies_made_by_editors_and_people_are_sensitive_too(name: str, copy: str) -> None:
    copied = copy.format(name).replace("|", " ")
    assert sensitive(PurePosixPath("/home/me/project/" + copied)) is not None


@pytest.mark.parametrize(
    "name", ["wp-config.bak.php", "credentials.old.json", "secrets_backup.yml", "secrets (1).json"]
)
def test_a_copy_may_be_marked_before_the_extension(name: str) -> None:
    assert sensitive(PurePosixPath("/home/me/project/" + name)) is not None


@pytest.mark.parametrize("name", ALLOWED.split())
def test_similar_names_are_allowed(name: str) -> None:
    assert sensitive(PurePosixPath("/home/me/project/" + name)) is None


def test_the_tables_patterns_are_distinct() -> None:
    assert len(set(HOLDS_SECRETS)) == len(HOLDS_SECRETS)


@pytest.mark.parametrize("name", OURS)
def test_each_assistant_s_ignore_file_only_forbids(tmp_path: Path, name: str) -> None:
    """At any depth, after git's rules; none takes back what another forbids."""
    (tmp_path / "sub").mkdir()
    (tmp_path / ".gitignore").write_text("built.py\n")
    (tmp_path / ".aixignore").write_text("both.py\n")
    (tmp_path / "sub" / name).write_text("\ufeffplan*\r\n!plan.md\n!built.py\n")
    if name != ".aixignore":
        (tmp_path / name).write_text("!both.py\n")
    allowed = {
        file: inactive_reason((tmp_path / file).as_uri(), Settings(), [tmp_path]) is None
        for file in (
            "plan.py",
            "sub/plan.py",
            "sub/deep/planned.py",
            "sub/plan.md",
            "sub/built.py",
            "both.py",
        )
    }
    assert [file for file, sent in allowed.items() if sent] == ["plan.py", "sub/plan.md"]

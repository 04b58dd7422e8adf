"""Finds passwords among the arguments of commands: `curl -u admin:…`, `mysql -p…`, `echo … | sudo -S`. Pure.

Covers scripts, Makefiles, Dockerfiles and prose, and the argument lists of programs (`["docker", "-p", "…"]`). Options
whose names give them away (`--password`, `--token=`) are found by name (named_values).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aix_lsp.privacy.judgement import Level
from aix_lsp.privacy.randomness import word_share
from aix_lsp.privacy.scanned_line import ScannedLine, Span
from aix_lsp.privacy.telling_words import Evidence

_LOGIN = (
    r"(?:docker|podman|nerdctl|buildah|skopeo|helm|oras|crane|oc|az|cf|argocd|npm|ibmcloud)\b.{0,80}?\blogin"
)
# Programs and their options. `-u:` takes user:password (user%password for smbclient), `-p+` takes a value that is
# joined to it, and `-a` takes a password, joined or not.
_OPTIONS_OF = {
    _LOGIN: "-p",
    r"curl": "-u: --user: -U: --proxy-user: --oauth2-bearer --pass --proxy-pass",
    r"https?|xhs?|httpie": "-a: -a --auth: --auth",
    r"ab|siege|hey|wrk|k6": "-A: -P: -a:",
    r"etcdctl|svn|ftp|nghttp|mosquitto_\w{3,6}|tinyproxy|wget2?": "--user: -P",
    r"(?:mysql|mariadb)\w{0,8}(?:-\w{1,8})?": "-p+",
    r"mongo\w{0,8}|cqlsh|influx|sshpass|psexec|hydra|twine|rdesktop|certutil|useradd|usermod": "-p -k",
    r"security|x11vnc": "-p -w -passwd -k",
    r"clickhouse-client|snowsql|kinit|gs_ctl|impacket-\w{1,16}|crackmapexec|nxc|evil-winrm|jmeter|neo4j": "-p",
    r"redis-cli|keydb-cli|valkey-cli": "-a --pass",
    r"ldap\w{2,8}": "-w",
    r"sqlcmd|bcp|isql|osql|zip|unzip|zipcloak": "-P",
    r"7z[ar]?|rar|unrar": "-p+ -hp+",
    r"smbclient|rpcclient|net": "-U: -U%",
    r"openssl": "-k -K -pass -passin -passout",
    r"gpg2?|keytool|jarsigner|apksigner|ansible\w{0,12}": "-storepass -keypass --passphrase",
    r"dotnet|nuget|gem|cargo": "-k --key --api-key -ApiKey",
    r"doctl|flyctl|fly": "-t --access-token",
    r"zabbix_\w{1,8}|wg|stunnel": "--psk",
    r"databricks|gh|aws|az": "--string-value --body -b --secret-string --master-user-password",
    r"snmp(?:walk|getnext|get|set|bulkwalk|table|trap)": "-c -A -X",
    r"ncftp\w{0,5}": "-p",
    r"ipmitool": "-P",
    r"signtool|xfreerdp3?|freerdp|cmdkey|wfreerdp|netsh": "/p /pass /p: /pass:",
}
_PROGRAMS = re.compile(
    "|".join(
        rf"(?P<p{number}>(?<![\w./-])(?:[\w./~-]{{0,64}}/)?(?:{names})(?:\.exe)?)(?=[\s\"',]|$)"
        for number, names in enumerate(_OPTIONS_OF)
    )
)
_OPTIONS = tuple(frozenset(options.split()) for options in _OPTIONS_OF.values())
_ARGUMENT = re.compile(
    r"(?<![^\s\"'`\[(,])(?:-[a-zA-Z]{1,6}(?=u[ \t]))?"
    r"(--?[A-Za-z][\w-]{0,40}|(?<=[a-zA-Z])u(?=[ \t])|/(?:p|pass)(?=[ :]))(?:[ \t]{1,8}|[=:]|)"
    r"(?:\\?[\"'])?((?:pass:)?)((?:(?<=[\"'])-)?[^\s\"'`\\-][^\s\"'`\\]{1,255})"
)
_JOINED = re.compile(r"(?<![^\s\"'`\[(,])(-[pPuUaw]|-hp)((?!\s|=)\\?[\"']?)([^\s\"'`\\=][^\s\"'`\\]{1,255})")
_USER = re.compile(r"([^\s:%'\"]{1,128})[:%](.{2,256})")
_ALONE = re.compile(r"[ \t]*(?:\\?[\"'])?([^\s\"'`\\]{2,256})")
_ENDS_WITH_OPTION = re.compile(r"[ \t](?:-u|-U|--user|--proxy-user|-a|--auth|-p|-w|-P|--password)[ \t]*\\$")
_LISTED = re.compile(r"[\"'][ \t]{0,4},[ \t]{0,4}[\"']")
_CLEARLY_OTHER = re.compile(
    r"[\w.~-]+(?:/[\w./-]*|:\d+|\.\w{1,4})|[\w./-]*/[\w./-]+|\d+(?::\d+)?|-.*|[$(<{].*|.{0,3}|[a-z]{1,5}"
)
_CHOSEN = re.compile(r"-(?=.*[A-Za-z])(?=.*\d)\S{7,}")
"""A quoted value that looks like an option but is a password."""
_NO_PASSWORD = re.compile(r"[\w./~-]*/[\w./-]+|\d{1,5}(?::\d+)?|[$(<{].*|.{0,3}")
"""Values that are no passwords even while they are being typed, when `Berlin.win` may still become one."""
_COMMANDS = r"""
vault login (?:-· )*§
(?:cargo|npm|vsce|ovsx|wrangler|railway|vercel) login §
(?:snyk auth|ngrok (?:config add-)?authtoken|heroku auth:token|infracost auth) §
rabbitmqctl (?:add_user|change_password) · §
wpa_passphrase (?:"[^"]{1,64}"|·) §
htpasswd -\w*b\w* · ·(?: ·(?= \S))? §
net use (?:· )?\\\\· §
net user · §
(?:runas|psexec)\b.{0,80}/user:· §
nmcli\b.{0,120}\bpassword §
(?:npm|yarn|pnpm) (?:config )?set ·?(?:[aA]uth|[tT]oken|[pP]assword)\S{0,20}[=\s]+§
poetry config http-basic\.· · §
poetry config pypi-token\.· §
mc (?:alias set|config host add) · · · §
lftp\b.{0,40} -u [^\s,]{1,64},§
iwconfig\b.{0,80} key (?:s:)?§
smbclient\b.{0,200} -U ["']?[^\s"'%]{1,64}%§
sp_(?:addlogin|password) N?'[^']{1,64}'\s*,\s*N?§
password-command[=\s]+["']?echo §
expect\b.{0,40}\bsend \\?§
keyvault secret set\b.{0,200}--value[=\s]+§
put-parameter\b.{0,200}SecureString\b.{0,200}--value[=\s]+§
put-parameter\b.{0,200}--value[=\s]+§["']?.{0,200}SecureString
login · password §
(?:sqlplus|impdp|expdp|sqlldr)(?: -\w{1,9})* ["']?[\w.]{1,64}/§
rclone obscure §
aws configure set \S*(?:secret|token|key)\S* §
consul kv put \S*(?:password|secret|token|key)\S* §
rootpw --plaintext §
static:[\w.@-]{1,64}:§
username · (?:privilege \d{1,2} )?(?:password|secret) (?:[05789] )?§
community §
(?:ikev[12]|isakmp) (?:key|(?:local-|remote-)?(?:authentication )?pre-shared-key) (?:[06] )?§
ConvertTo-SecureString (?:-String )?["']§
"""
"""A space stands for any blanks, · for an argument, § for the secret."""
_READS_INPUT = r"""
sudo\b.{0,40}-S|chpasswd|passwd\b|cryptsetup|kinit|vncpasswd|gpg\b|smbpasswd|su\b
|.{0,200}(?:--\S{0,20}stdin|--with-token|login)
"""
_PIPED = r"echo\s+(?:-\w+\s+)?[\"']?(?:[\w.-]{1,64}:)?([^\s\"':|]{3,256})[\"']?\s*\|\s*"
_GIVEN_TO = (
    r"(?:sudo\b.{0,20}-S|\w*passwd|login|auth|--with-token|TOKEN|PASS(?:WORD)?|cryptsetup|kinit|su|gpg)\b"
    r".{0,80}<<<\s*§"
)


def _expression(command: str) -> re.Pattern[str]:
    """Compile a command in the table's notation."""
    parts = {" ": r"[ \t]+", "·": r"\S{1,200}", "§": r"(?!-)[\"']?([^\s\"'\\]{3,256})"}
    return re.compile(r"\b" + "".join(parts.get(char, char) for char in command))


_GIVEN = (_expression(_GIVEN_TO), _expression(r"(?:ACL SETUSER|user) \S{1,64} on (?:\S{1,20} ){0,4}>§"))
_PLACES = (
    *map(_expression, _COMMANDS.strip().split("\n")),
    re.compile(r"\b" + _PIPED + "(?:" + _READS_INPUT.replace("\n", "") + ")"),
    re.compile(r"\bsend[ \t]+(?:--[ \t]+)?\"([^\"\\\s]{6,256})\\[rn]\""),
    re.compile(r"-D\w{1,20}\.login=([^\s\"']{8,256})"),
)
_MAYBE = re.compile(r"(?:^|[\s\"'`\[(,])(?:--?[A-Za-z]|/p)")
NEXT_CREDENTIALS, NEXT_ARGUMENT = "waits for user:password", "goes on with a command"


def credentials(line: ScannedLine) -> Iterator[Span]:
    """The passwords among a command's arguments."""
    has_option = ("-" in line.text or "/p" in line.text) and _MAYBE.search(line.text) is not None
    has_command = bool(line.evidence & Evidence.COMMAND)
    is_given = "<<<" in line.text or " on >" in line.text
    if not (has_option or has_command or is_given):
        return
    text = _LISTED.sub(lambda match: " " * len(match[0]), line.text)
    programs = [*_PROGRAMS.finditer(text)]
    allowed = frozenset(option for it in programs for option in _OPTIONS[_number(it)])
    begin = programs[0].end() if programs else 0
    if programs or line.command:
        for expression in (_ARGUMENT, _JOINED):
            for match in expression.finditer(text, begin):
                yield from _argument(line, match, allowed, joined=expression is _JOINED)
    for match in _ARGUMENT.finditer(text) if not programs and not line.command and "-" in text else ():
        if match[1] in ("-u", "--user", "--proxy-user", "-U", "--basic-auth"):
            yield from _pair(line, match, least=0.8)
    for place in (*_PLACES, *_GIVEN) if has_command else _GIVEN if is_given else ():
        for match in place.finditer(text):
            yield from line.secret(*match.span(1), Level.PASSWORD, literal=True)


def _number(match: re.Match[str]) -> int:
    assert match.lastgroup is not None
    return int(match.lastgroup[1:])


def _argument(
    line: ScannedLine, match: re.Match[str], allowed: frozenset[str], joined: bool
) -> Iterator[Span]:
    option, value = "-u" if match[1] == "u" else match[1], match[3]
    if f"{option}:" in allowed or (line.command and option in ("-u", "--user", "-U", "-a")):
        yield from _pair(line, match, least=2)
    takes = f"{option}+" in allowed if joined else option in allowed or f"{option}+" in allowed
    if joined and option in ("-p", "-P") and f"{option}+" not in allowed:
        takes = option in allowed
    if not joined and f"{option}+" in allowed and option not in allowed:
        takes = match.start(3) == match.end(1) or (
            line.text[match.start(3) - 1] in "\"'" and line.text[match.end(1)] != " "
        )
    other = _NO_PASSWORD if line.is_typed(*match.span(3)) else _CLEARLY_OTHER
    if takes and (not other.fullmatch(value) or match[2] or _CHOSEN.fullmatch(value)):
        yield from line.secret(*match.span(3), Level.PASSWORD, literal=True)


def _pair(line: ScannedLine, match: re.Match[str], least: float) -> Iterator[Span]:
    """The password of `user:password`; values with a `least` share of words or more are names, not passwords."""
    pair = _USER.fullmatch(match[3])
    if pair is None or (pair[1].isdigit() and pair[2].isdigit()):
        return
    has_signs = any(not char.isalnum() and char not in "._-/" for char in pair[2])
    if least > 1 or word_share(pair[2]) < least or has_signs:
        yield from line.secret(match.start(3) + pair.start(2), match.end(3), Level.PASSWORD, literal=True)


def continued(line: ScannedLine, state: str) -> Iterator[Span]:
    """The value of an option that ended the line before."""
    value = _ALONE.match(line.text) if state == NEXT_CREDENTIALS else None
    if value is None:
        return
    pair = _USER.fullmatch(value[1])
    start = value.start(1) + (pair.start(2) if pair else 0)
    yield from line.secret(start, value.end(1), Level.PASSWORD, literal=True)


def goes_on(line: ScannedLine) -> str:
    """The state after a line that ends in a continuation within a command; empty after any other."""
    content = line.text.rstrip()
    if not content.endswith(("\\", "^", "`")):
        return ""
    if _ENDS_WITH_OPTION.search(content[-40:]):
        return NEXT_CREDENTIALS
    return NEXT_ARGUMENT if line.command or _PROGRAMS.search(content) else ""

"""What looks like a secret is never sent as context: by a file's name, or by what stands in it. Pure.

The same two questions are asked of files on the disk and of those that are open in the editor.
"""

import re
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from math import log2
from pathlib import PurePath

NAMES = tuple(
    pattern
    for line in (
        # variables and settings of a place where something runs
        ".env .env.* *.env .envrc .envrc.* .dev.vars .flaskenv .secrets* *.vars.local .htpasswd",
        "local_settings* settings_local* settings.local.* local.settings.json appsettings.*.json",
        "application-*.yml application-*.yaml application-*.properties database.yml database.yaml",
        "wp-config*.php configuration.php parameters.yml config.local.* master.key",
        "production.key localsettings.php *.env.* key.properties keystore.properties signing.properties",
        "release.properties nuget.config",
        # keys and certificates
        "*.pem *.key *.cert *.crt *.cer *.der *.p7b *.p8 *.p12 *.pfx *.pkcs12 *.jks *.jceks *.keystore",
        "*.bks *.keychain *.keychain-db *.ppk *.asc *.gpg *.pgp *.age *.kdb *.kdbx *.agilekeychain",
        "*.opvault *.snk *.mobileprovision *.ovpn *.rdp *.wgconf wg*.conf id_rsa* id_dsa* id_ecdsa*",
        "id_ed25519* id_ecdsa_sk* *_rsa *_dsa *_ecdsa *_ed25519 authorized_keys known_hosts ssh_config",
        "sshd_config ssh_host_*_key ssh_host_*_key.pub *.deploykey *.jwk *.private *.token .token* *.psafe3",
        "*.1pif *.1pux *.wallet wallet.dat wallet.json keyfile.json key4.db logins.json",
        # what programs remember of a user
        ".netrc _netrc .npmrc .yarnrc .yarnrc.yml .pypirc .gemrc .pgpass pgpass.conf .my.cnf my.cnf",
        ".mylogin.cnf .git-credentials .gitconfig .s3cfg .boto .aws-credentials .dockercfg",
        ".dockerconfigjson .terraformrc terraform.rc .vault-token .vault_pass* vault_pass*",
        ".ansible_vault* .databrickscfg .snowsql rclone.conf kubeconfig* *.kubeconfig .kube-config",
        "gcloud.json adc.json *service-account*.json *service_account*.json *serviceaccount*.json",
        "client_secret*.json google-services.json googleservice-info.plist firebase*.json",
        "*firebase-adminsdk*.json *.credential .credentials* auth.json .auth* passwd shadow *.passwd",
        "*.htpasswd application_default_credentials.json",
        "filezilla.xml sitemanager.xml recentservers.xml .*_history .history *.har .hub hosts.yml",
        ".gist .jfrog* .cargo-credentials .rediscli_auth .psqlrc .curlrc .wgetrc .ansible.cfg .kaggle",
        "kaggle.json *.kubeconfig.* kube.config admin.conf kubelet.conf accesstokens.json htpasswd",
        ".passwd* *.creds *.cred .pulumi .sentryclirc .clasprc.json .vault_token",
        # states and variables of what builds a place
        "*.tfvars *.tfvars.* *.auto.tfvars* *.tfstate *.tfstate.* *.tfplan *.pulumi*.yaml *vault*.yml",
        "*vault*.yaml *.bak.env *.pkcs8 *.keytab krb5.conf *.rsa.key .pgp .npmrc.* .pypirc.* .netrc.*",
        "proxychains.conf",
    )
    for pattern in line.split()
)
WORDS = ("*secret*", "credential*", "*credentials*", "password*", "passwd.*")
"""Names of secrets that source code has, too, where it deals with them."""

_STEMS = frozenset(
    word
    for line in (
        "access_token access_tokens api_key api_keys apikey apikeys auth_token creds deploy_key oauth_token",
        "passphrase private_key privatekey privkey token tokens",
    )
    for word in line.split()
)
_DATA = (
    "",
    ".cfg",
    ".conf",
    ".csv",
    ".ini",
    ".json",
    ".properties",
    ".toml",
    ".txt",
    ".xml",
    ".yaml",
    ".yml",
)
"""How files end that hold nothing but what they are named after, if they are named as one of the stems."""

FOLDERS = frozenset(
    word
    for line in (
        ".aws .azure .config .docker .gcloud .gcp .gnupg .kube .oci .password-store .ssh .vault",
        "secrets .secrets credentials .credentials private_keys group_vars host_vars",
    )
    for word in line.split()
)

_KEYS: tuple[tuple[tuple[str, ...], str], ...] = (  # what must stand there, which is quick to see, and how
    (("PRIVATE KEY", "PRIVATE-KEY"), r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    (("PuTTY-User-Key",), r"PuTTY-User-Key-File-\d"),
    (("AGE-SECRET-KEY-",), r"AGE-SECRET-KEY-1[0-9A-Za-z]{20,}"),
    (("$ANSIBLE_VAULT",), r"\$ANSIBLE_VAULT;[\d.]+;"),
    (("PRIVATE KEY",), r"---- BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY ----"),
    (('"kty"',), r"\"d\"\s{0,8}:\s{0,8}\"[\w-]{20,}\""),  # a JSON web key
)
_WHOLE_KEY = re.compile(  # with what may stand between in code, and the lines that OpenSSL and PGP write
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[\s\"'+,]|\\[nr]|[A-Z][\w-]{1,40}+: [^\n\\]{0,200}+){0,400}+[\w+/=]{40}"
)
_CONTENT: tuple[tuple[tuple[str, ...], str], ...] = (
    *_KEYS,
    (("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),  # AWS
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\bgh[pousr]_[0-9A-Za-z]{36,}"),
    (("github_pat_",), r"\bgithub_pat_\w{50,}"),
    (("glpat-", "gldt-", "glrt-"), r"\bgl(?:pat|dt|rt)-[\w-]{20,}"),
    (("glcbt-", "glptt-", "glft-", "glimt-", "gloas-"), r"\bgl(?:cbt|ptt|ft|imt|oas)-[\w-]{20,}"),
    (("xox", "xapp-"), r"\b(?:xox[abeprs]|xapp)-[0-9A-Za-z-]{10,}"),  # Slack
    (("hooks.slack.com",), r"hooks\.slack\.com/(?:services|workflows)/\w+/\w+/\w{16,}"),
    (("discord",), r"discord(?:app)?\.com/api/webhooks/\d{10,}/[\w-]{30,}"),
    (("AIza",), r"\bAIza[0-9A-Za-z_-]{35}"),  # Google
    (("ya29.",), r"\bya29\.[\w-]{30,}"),
    (("GOCSPX-",), r"\bGOCSPX-[\w-]{20,}"),
    (("sk-",), r"\bsk-(?:ant-|proj-|or-|svcacct-)?[0-9A-Za-z_-]{32,}"),
    (("k_live_", "k_test_", "whsec_"), r"\b(?:[sr]k_(?:live|test)|whsec)_[0-9A-Za-z]{20,}"),  # Stripe
    (("SG.",), r"\bSG\.[\w-]{22}\.[\w-]{43}"),  # SendGrid
    (("key-",), r"\bkey-[0-9a-f]{32}\b"),  # Mailgun
    (("SK", "AC"), r"\b(?:SK|AC)[0-9a-f]{32}\b"),  # Twilio
    (("hf_",), r"\bhf_[0-9A-Za-z]{30,}"),
    (("npm_",), r"\bnpm_[0-9A-Za-z]{36}"),
    (("pypi-AgE",), r"\bpypi-AgE[\w-]{50,}"),
    (("shpat_", "shpss_", "shpca_"), r"\bshp(?:at|ss|ca)_[0-9a-fA-F]{32}"),  # Shopify
    (("dop_v1_", "doo_v1_"), r"\bdo[op]_v1_[0-9a-f]{64}"),  # DigitalOcean
    (("hvs.", "hvb."), r"\bhv[sb]\.[\w-]{24,}"),  # Vault
    (("atlasv1.",), r"\.atlasv1\.[\w-]{30,}"),  # Terraform Cloud
    (("EAAC", "EAAG"), r"\bEAA[CG][0-9A-Za-z]{40,}"),  # Facebook
    (("sq0",), r"\bsq0(?:atp|csp)-[\w-]{22,}"),  # Square
    (("dapi",), r"\bdapi[0-9a-f]{32}\b"),  # Databricks
    (("lin_api_",), r"\blin_api_[0-9A-Za-z]{32,}"),
    (("NRAK-",), r"\bNRAK-[0-9A-Z]{27}"),  # New Relic
    (("AccountKey=", "SharedAccessKey="), r"\b(?:Account|SharedAccess)Key=[\w+/]{20,}"),  # Azure
    (("kind: Secret",), r"(?m)^kind: Secret\b"),  # Kubernetes
    (("earer ",), r"\b[Bb]earer (?=[\w.~+/-]*\d)[\w.~+/-]{24,}"),
    (("asic ",), r"\b[Bb]asic (?=[\w+/]{0,40}\d)[\w+/]{18,}={0,2}[\"'`]"),
    (("IDENTIFIED",), r"IDENTIFIED (?:WITH \w{1,40} )?BY '[^'\s]{6,}'"),
    ((" -u ",), r"\bcurl\b[^\n]{0,200} -u [\"']?[\w.@-]{1,60}:[^\s\"'$]{6,}"),
    (("sshpass",), r"\bsshpass -p ?[\"']?[^\s\"'$]{4,}"),
    (("eyJ",), r"(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),  # a signed web token
    ((":AA",), r"\b\d{8,10}:AA[\w-]{33}\b"),  # Telegram
    ((".",), r"\.(?<=\b[MNO][DTjz][\w-]{22}\.)[\w-]{6}\.[\w-]{27,}"),  # Discord
    (("-us",), r"\b[0-9a-f]{32}-us\d{1,2}\b"),  # Mailchimp
    (("gsk_",), r"\bgsk_[0-9A-Za-z]{40,}"),  # Groq
    (("r8_",), r"\br8_[0-9A-Za-z]{30,}"),  # Replicate
    (("pplx-", "xai-"), r"\b(?:pplx|xai)-[0-9A-Za-z]{40,}"),
    (("secret_",), r"secret_[0-9A-Za-z]{40,}"),  # Notion
    (("ntn_",), r"ntn_[0-9A-Za-z]{40,}"),
    (("figd_",), r"\bfigd_[\w-]{30,}"),
    (("PMAK-",), r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    (("dckr_pat_",), r"\bdckr_pat_[\w-]{20,}"),
    (("rubygems_",), r"\brubygems_[0-9a-f]{48}"),
    (("pscale_",), r"\bpscale_(?:tkn|pw|oauth)_[\w-]{30,}"),
    (("sbp_", "sb_secret_"), r"\b(?:sbp|sb_secret)_[\w-]{30,}"),  # Supabase
    (("sntrys_", "sntryu_"), r"\bsntry[su]_[\w=+/-]{30,}"),
    (("glc_", "glsa_"), r"\b(?:glc|glsa)_[\w=+/-]{30,}"),  # Grafana
    (("tskey-",), r"\btskey-[\w-]{20,}"),
    (("ATATT3", "ATBB"), r"\b(?:ATATT3|ATBB)[\w=-]{24,}"),  # Atlassian
    (("AKCp",), r"\bAKCp[0-9A-Za-z]{50,}"),  # Artifactory
    (("dp.",), r"\bdp\.(?:pt|st|ct|sa)\.[\w.-]{30,}"),  # Doppler
    (("ops_eyJ",), r"\bops_eyJ[\w=-]{40,}"),  # 1Password
    (("pat",), r"pat[0-9A-Za-z]{14}\.[0-9a-f]{60,}"),  # Airtable
    (("HRKU-",), r"\bHRKU-[\w-]{30,}"),
    (("sig=",), r"[?&]sig=[\w%+/-]{30,}"),  # Azure, an address that lets in
    (("Signature=",), r"[?&]X-Amz-Signature=[0-9a-f]{64}"),
    (("webhook.office.com", "logic.azure.com"), r"(?:webhook\.office|logic\.azure)\.com[^\s\"']{40,}"),
    (
        ("assword=", "wd=", "PWD="),
        r"(?i);\s{0,8}(?:password|pwd)=(?=[^;\s\"'`]*[\d!@#$%^])[^;\s\"'`{}<>]{6,}",
    ),
    (  # a password in an address, but no word that stands for one
        ("://",),
        r"://[^\s/:@'\"{}<>$%]*:(?!(?:pass(?:word|wd)?|pwd|secret|token|x+|[*]+)@)[^\s/:@'\"{}<>$%]{3,}@[\w.-]+",
    ),
)

_SAYS = (  # words in a name which say that what it is given is secret
    *("password", "passwd", "passphrase", "pwd", "secret", "token", "credential", "encryption_key"),
    *(f"{of}{sign}key" for of in ("api", "access", "account", "auth", "private") for sign in ("_", "-", "")),
    *("signing_key", "master_key", "storage_key", "master-key", "signingkey", "masterkey", "encryptionkey"),
)
_GIVEN = re.compile(  # right behind such a name: the rest of it, what gives, and the text
    r"[\w-]{0,40}[\"'\]]{0,2}[ \t]{0,8}"
    r"(?:(?::=|=>|:|=)?"
    r"|:[ \t]{0,8}[\w.\[\]|<>? ]{1,40}="  # with its type
    r"|,|\(|\{"  # to a function; in C++'s way
    r"|\)?[ \t]{0,8}(?:\|\||\?\?|\?:|or)"  # unless it is set elsewhere
    r")[ \t]{0,8}(?:[\"'`]([^\s\"'`]{8,200})[\"'`])"
    r"|\w{0,40}>([^\s<>]{8,200})</"  # in XML
)
_SET = re.compile(  # the same in a file of settings or a shell's script: all the rest of the line
    r"[\w-]{0,40}(?:[ \t]{0,8}[:=][ \t]{0,8}|[ \t]{1,8})([\w+/=!@#%^&*.~-]{8,200})[ \t]{0,8}(?:[;#\r\n]|\Z)"
)
_SETS = re.compile(  # what stands before such a name on its line
    r"[ \t]{0,80}(?:(?:export|set|setx|ENV|ARG|-?e|env|declare|local)[ \t]{1,8})?[\w.-]{0,60}\Z"
    r"|[^\n]{0,150}[ \t]--[\w-]{0,40}\Z"
)
_EXAMPLE = re.compile(
    r"(?i)example|changeme|change[-_]me|your|placeholder|dummy|sample|redact|foobar|x{4}|\*{3}|\.\.\."
)
_WORDS = re.compile(r"(?:[A-Za-z]++[_.:/-]?)*+\d?\Z")
PIECE, OVERLAP = 32_000, 2_000
"""Characters that are searched at once: meanwhile no key is taken. No form needs more than what overlaps."""
RANDOM = 4.6  # bits a character: more than long names have, even without a digit
_SIGNS = frozenset("!@#$%^")


def secret_name(path: PurePath) -> bool:
    """Whether the name of the file, or of a folder on its way, says that it is not for others."""
    name = path.name.lower()
    return (
        any(fnmatchcase(name, pattern) for pattern in WORDS)
        or plain_name(path)
        or not FOLDERS.isdisjoint(part.lower() for part in path.parts[:-1])
    )


def plain_name(path: PurePath) -> bool:
    """Whether a file is named as nothing but a secret is, source code that deals with them included."""
    name = path.name.lower()
    if any(fnmatchcase(name, pattern) for pattern in NAMES):
        return True
    stem, dot, ending = name.rpartition(".")
    stem, ending = (stem, dot + ending) if stem else (name, "")
    return ending in _DATA and stem.replace("-", "_") in _STEMS


def secret_text(text: str) -> bool:
    """Whether a key, a token or a password stands in it: of a form that can be told, or given to a name."""
    parts = (text[at : at + PIECE + OVERLAP] for at in range(0, max(1, len(text) - OVERLAP), PIECE))
    return any(
        _holds(part, _CONTENT) or any(_is_given(part, *place) for place in _said(part)) for part in parts
    )


def holds_key(text: str) -> bool:
    """Whether a private key stands in it, or what is encrypted by one."""
    return _holds(text, _KEYS)


def holds_whole_key(text: str) -> bool:
    """Whether all of a private key stands in it, and not only how one begins, as in code that reads them."""
    return "PRIVATE KEY" in text and _WHOLE_KEY.search(text) is not None


def _holds(text: str, forms: tuple[tuple[tuple[str, ...], str], ...]) -> bool:
    return any(
        any(sign in text for sign in signs) and re.search(pattern, text) is not None
        for signs, pattern in forms
    )


def _said(text: str) -> Iterator[tuple[int, int]]:
    """Where names begin and end which say that what they are given is secret."""
    small = text.lower()
    if len(small) != len(text):  # a letter that becomes two
        small = "".join(it.lower() if it.isascii() else it for it in text)
    for word in _SAYS:
        at = small.find(word)
        while at >= 0:
            yield at, at + len(word)
            at = small.find(word, at + len(word))


def _is_given(text: str, begins: int, ends: int) -> bool:
    """Whether something that looks like a secret is given to the name that stands there."""
    if (quoted := _GIVEN.match(text, ends)) is not None:
        return _is_real(quoted[1] or quoted[2], least=2.5)
    if (plain := _SET.match(text, ends)) is None:
        return False
    earliest = max(0, begins - 150)
    line = max(text.rfind("\n", earliest, begins) + 1, earliest)
    return _SETS.match(text, line, begins) is not None and _is_real(plain[1], least=2.8)


def _is_real(value: str, least: float) -> bool:
    """Whether a text looks like a secret itself, and not like a name, a path or an example.

    `least`: bits a character, as often as each occurs.
    """
    bits = -sum(n / len(value) * log2(n / len(value)) for n in Counter(value).values())
    if bits >= RANDOM:
        return True
    if _EXAMPLE.search(value) or _WORDS.match(value):
        return False
    letters, digits = (any(map(it, value)) for it in (str.isalpha, str.isdigit))
    return bits >= least and letters and (digits or not _SIGNS.isdisjoint(value))

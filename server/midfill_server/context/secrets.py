"""What looks like a secret is never sent as context: by a file's name, or by what stands in it."""

import re
from fnmatch import fnmatch
from pathlib import PurePath

NAMES = (
    *(
        ".env",
        ".env.*",
        "*.env",
        ".dev.vars",
        ".netrc",
        ".npmrc",
        ".pypirc",
        ".pgpass",
        ".htpasswd",
        ".git-credentials",
    ),
    *(
        "*.pem",
        "*.key",
        "*.cert",
        "*.crt",
        "*.cer",
        "*.der",
        "*.p12",
        "*.pfx",
        "*.jks",
        "*.keystore",
        "*.kdbx",
        "*.ppk",
    ),
    *("*.asc", "*.gpg", "*.ovpn", "*.tfvars", "*.tfstate", "*.tfstate.*"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "authorized_keys", "known_hosts"),
    *("secret.*", "secrets.*", "*.secret", "*.secrets", "credential", "credentials", "credentials.*"),
    *("service-account*.json", "client_secret*.json", "kubeconfig", "wp-config.php"),
)
FOLDERS = frozenset({".aws", ".azure", ".docker", ".gnupg", ".kube", ".ssh", "secrets", ".secrets"})

_CONTENT: tuple[tuple[tuple[str, ...], str], ...] = (  # what must stand there, which is quick to see, and how
    (("PRIVATE KEY",), r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    (("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),  # AWS
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\bgh[pousr]_[0-9A-Za-z]{36,}"),
    (("github_pat_",), r"\bgithub_pat_\w{50,}"),
    (("glpat-",), r"\bglpat-[\w-]{20,}"),
    (("xox",), r"\bxox[abeprs]-[0-9A-Za-z-]{10,}"),  # Slack
    (("AIza",), r"\bAIza[0-9A-Za-z_-]{35}"),  # Google
    (("sk-",), r"\bsk-(?:ant-|proj-)?[0-9A-Za-z_-]{32,}"),
    (("k_live_",), r"\b[sr]k_live_[0-9A-Za-z]{20,}"),  # Stripe
    (("SG.",), r"\bSG\.[\w-]{22}\.[\w-]{43}"),  # SendGrid
    (("hf_",), r"\bhf_[0-9A-Za-z]{30,}"),
    (("npm_",), r"\bnpm_[0-9A-Za-z]{36}"),
    (("pypi-AgE",), r"\bpypi-AgE[\w-]{50,}"),
    (("eyJ",), r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),  # a signed web token
    (("://",), r"://[^\s/:@'\"{}<>$]+:[^\s/:@'\"{}<>$]{3,}@[\w.-]+"),  # a password in an address
)


def secret_name(path: PurePath) -> bool:
    """Whether the name of the file, or of a folder on its way, says that it is not for others."""
    name = path.name.lower()
    return any(fnmatch(name, pattern) for pattern in NAMES) or not FOLDERS.isdisjoint(
        part.lower() for part in path.parts[:-1]
    )


def secret_text(text: str) -> bool:
    """Whether a key, a token or a password stands in it, in one of the exact forms that can be told."""
    return any(
        any(sign in text for sign in signs) and re.search(pattern, text) is not None
        for signs, pattern in _CONTENT
    )

"""What does harm where nobody asked for it: calls that delete, overwrite or send; functions without an end.

Such a call is offered where the file or the context makes one of the same sort, or the user has begun it.
"""

import re
from collections.abc import Mapping

from midfill_server.context import Window
from midfill_server.trim.lines import columns

from .block import WIDEST, by_lines, item_lines, up_to
from .others import known_to

_DELETES = (
    r"\bos\.(remove|unlink|rmdir|removedirs|kill)\(|\bshutil\.(rmtree)\b|\b(rmtree)\(|\.(unlink|rmdir|rmtree)\("
    r"|\bfs(?:p|\.promises)?\.(rm|rmdir|unlink)(?:Sync)?\(|\b(rimraf|unlinkSync|rmSync|rmdirSync)\b"
    r"|\bos\.(Remove|RemoveAll)\(|\bfs::(remove_\w+)|\bFiles\.(delete\w*)\(|\bFileUtils\.(rm\w*|delete\w*)"
    r"|\b(?:File|Directory|Dir|Path)\.(delete|Delete|unlink|rmdir)\b|\bfilesystem::(remove\w*)"
    r"|(?<![\w.>:])(unlink|rmdir)\(|\b(?<![\w.-])(rm|rmdir|shred|srm) +[-\w$\"'./~*]|-(delete)\b(?=\s|$)"
    r"|\b(mkfs|wipefs)\b|\b(dd) [^\n]*\bof=|>\s*/dev/(sd\w|nvme\w*)"
    r"|\b(?i:(DROP|TRUNCATE)\s+(?:TABLE|DATABASE|SCHEMA|VIEW|INDEX|COLUMN|USER|ROLE|CONSTRAINT)\b)"
    r"|\b(?i:(DELETE)\s+FROM\b)(?![^;]*\b(?i:WHERE)\b)"
    r"|\.(drop_?(?:table|all|database|collection|Table|Database|Collection)|delete_?many|deleteMany|delete_all"
    r"|destroy_all|flush_?all|flushAll)\b|\b(?:local|session)Storage\.(clear)\("
    r"|\b(?:docker|podman)\s+(?:\w+\s+)?(prune|rmi?)\b|\bkubectl\s+(delete)\b|\bterraform\s+(destroy)\b"
    r"|\baws\s+s3\s+(rm|rb)\b|\bgit\s+(clean)\s+-\w*f"
    r"|\b(killall|pkill|kill\s+-9|shutdown|reboot|poweroff)\b(?=[ ;]|$)"
    r"|\bprocess\.(kill)\("
)
_OVERWRITES = (
    r"\bgit\s+push\b[^\n]*(?:\s(--force\S*|-f)(?=\s|$)|\s(\+\w))|\bgit\s+(reset)\s+--hard|\bgit\s+(filter-branch)\b"
    r"|\b(?i:(UPDATE)\s+[\w.\"`]+\s+SET\b)(?![^;]*\b(?i:WHERE)\b)(?=[^;\n]*;)|\bos\.(truncate|rename|replace)\("
    r"|\b(shutil\.move)\(|\b(chmod|chown)\s+(?:-\w*R\w*\s|777|a\+rwx)|\b(?i:(GRANT)\s+ALL\b)"
    r"|\b(fs(?:\.promises)?\.(?:truncate|rename)(?:Sync)?)\(|\b(rsync)\b[^\n]*--delete"
)
_SENDS = (
    r"\b(?:requests|httpx|session|client|axios|http|urllib3|superagent|ky|got)\.(post|put|patch|delete|Post\w*)\("
    r"|\b(?:method|type)[\"']?\s*[:=]\s*[\"'](POST|PUT|DELETE|PATCH)[\"']|\.(sendmail|send_message|sendMail|sendBeacon)\("
    r"|\b(smtplib)\b|\b(curl|wget)\b[^\n|]*\|\s*(?:sudo\s+)?(?:\w*sh|python\d?|perl|ruby|node)\b"
    r"|\bcurl\b[^\n]*\s(-X\s*(?:POST|PUT|DELETE|PATCH)|--data\S*|-d|-F|--form|-T|--upload-file)\b"
    r"|\b(scp|sftp|ftp)\s+\S|\b(?:npm|yarn|pnpm|cargo|poetry|flit|hatch|uv|gem)\s+(publish|push)\b|\b(twine)\s+upload"
    r"|\bdocker\s+(push)\b|\bNet::HTTP\.(post\w*|delete)|\.(PostAsync|PutAsync|DeleteAsync)\("
    r"|(?<![\w.>:$])(mail)\((?=\$)|\b(?:bash|sh|zsh)\s+(-c\s+\"?\$\(curl|<\(curl)|\b(invoke-expression|iex)\b"
)
_KINDS: Mapping[str, re.Pattern[str]] = {
    "deletes": re.compile(_DELETES),
    "overwrites": re.compile(_OVERWRITES),
    "sends": re.compile(_SENDS),
}
"""In each pattern the group that takes part is the word that does it."""


@by_lines
def harmful(text: str, window: Window) -> str:
    """Up to a line that deletes, overwrites or sends, where nothing else does such a thing."""
    lines = item_lines(text, window)
    for n, line in enumerate(lines):
        begun = len(window.line_start) if n == 0 else 0
        part = line[max(0, begun - WIDEST) : begun + WIDEST]
        begun = min(begun, WIDEST)
        for kind in _KINDS.values():
            found = next((it for it in kind.finditer(part) if it.end() > begun), None)
            if found is None or found.start(found.lastindex or 0) < begun:  # the user writes it
                continue
            if kind is _KINDS["deletes"] and _WHERE_BELOW.match("\n".join(lines[n : n + 3])):
                continue
            if kind.search(known_to(window)) is None:
                return up_to(n, text)
    return text


@by_lines
def endless_calls(text: str, window: Window) -> str:
    """Up to a line with which a function does nothing but call itself with what it was given."""
    lines = item_lines(text, window)
    before = window.prefix[: len(window.prefix) - len(window.line_start)].split("\n")[-_NEAR:-1]
    for n, line in enumerate(lines):
        if "(" in line and len(line) < WIDEST and _calls_itself(line, [*before, *lines[:n]]):
            return up_to(n, text)
    return text


_WHERE_BELOW = re.compile(r"(?is)\s*(?:DELETE\s+FROM|UPDATE)\b[^;]*\bWHERE\b")
_NEAR = 30  # lines above in which the function begins
_CALL = re.compile(
    r"\s*(?:return\b\s*)?(?:await\s+)?(?:self\.|this\.|\$this->|cls\.|Self::|@)?(?P<name>\w+[?!]?)"
    r"\((?P<given>[^()]*)\)\s*;?\s*}?\s*\Z"
)
_HEADER = re.compile(
    r"(?:^|\s)(?:(?:def|function\*?|func|fun|fn|sub|proc)\s+(?:\([^()]*\)\s*)?(?:self\.)?|[\w<>\[\],*&:.]+[\s*&]+|\s*)"
    r"(?P<name>\w+[?!]?)\s*(?:<[^<>]*>)?\((?P<taken>[^{}]*)\)[^()]*\Z"
)
_ASSIGNED = re.compile(
    r"(?P<name>\w+)\s*(?:<-|=)\s*(?:async\s*)?(?:function\s*)?\((?P<taken>[^{}()]*)\)\s*(?:=>)?\s*\Z"
)
_WITHIN = re.compile(r"(?<![\w.:>])(?<!new )(?:self\.|this\.)?(?P<name>\w+)\((?P<given>[^()]*)\)")
_RETURNS = re.compile(
    r"\s*return\b(?!.*(?:\?|&&|\|\||=>|[\"'`]|\b(?:if|unless|and|or|when|for|while|case|match|lambda|switch)\b))"
)
_CONDITION = re.compile(r"^\W*(?:if|elif|elsif|unless|for|while|switch|case|when|with|until)\b")
_ONE_LINE = re.compile(
    r"(?P<name>\w+)\s*(?::[^=]+)?=\s*(?:async\s*)?(?:lambda\s+(?P<python>[\w, ]*):"
    r"|\(?(?P<arrow>[\w, ]*)\)?\s*=>)\s*"
    r"(?P<again>\w+)\((?P<given>[\w, ]*)\)\s*;?\s*\Z"
)
_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--|\"\"\".*\"\"\"\s*\Z|'''.*'''\s*\Z)|\s*\{?\s*\Z")
_NAME = re.compile(r"[^\W\d]\w*")
_OWN = frozenset({"self", "cls"})


def _calls_itself(line: str, before: list[str]) -> bool:
    """Whether a line is the whole of a function whose header is right above it, or begins it."""
    if (one := _ONE_LINE.search(line)) is not None and one["name"] == one["again"]:
        return _split(one["python"] or one["arrow"]) == _split(one["given"])
    header, brace, body = line.rpartition("{")
    if not brace or not _HEADER.search(header):
        body, header = line, ""
        for above in reversed(before):
            if not _COMMENT.match(above):
                header = (
                    above[-WIDEST:].rstrip().rstrip(":{").rstrip() if columns(above) < columns(line) else ""
                )
                break
    head = (_ASSIGNED.search(header) or _HEADER.search(header)) if header else None
    called = _CALL.match(body)
    if head is not None and called is None and not _CONDITION.search(header) and _RETURNS.match(body):
        called = next((it for it in _WITHIN.finditer(body) if it["name"] == head["name"]), None)
    if called is None or head is None or called["name"] != head["name"]:
        return False
    taken = [set(_NAME.findall(it)) for it in _split(head["taken"])]
    taken = [names for names in taken if not names <= _OWN and names]
    given = _split(called["given"])
    return len(given) == len(taken) and all(it in names for it, names in zip(given, taken, strict=True))


def _split(arguments: str) -> list[str]:
    return [it.strip().lstrip("*&$.") for it in arguments.split(",") if it.strip()]

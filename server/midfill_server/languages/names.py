"""LSP's name of a file's language, from the file's own name: what an editor sends with an opened file."""

from pathlib import PurePath

_BY_EXTENSION = {
    "c": "c",
    "cc cpp cxx hh hpp hxx": "cpp",
    "clj cljs": "clojure",
    "cs": "csharp",
    "css": "css",
    "dart": "dart",
    "el": "emacs-lisp",
    "ex exs": "elixir",
    "fs": "fsharp",
    "go": "go",
    "h": "c",
    "hs": "haskell",
    "htm html": "html",
    "java": "java",
    "jl": "julia",
    "cjs js mjs": "javascript",
    "json": "json",
    "jsx": "javascriptreact",
    "kt kts": "kotlin",
    "lua": "lua",
    "markdown md": "markdown",
    "ml mli": "ocaml",
    "php": "php",
    "pl pm": "perl",
    "ps1": "powershell",
    "py pyi pyw": "python",
    "r": "r",
    "rb": "ruby",
    "rs": "rust",
    "scala": "scala",
    "bash sh zsh": "shellscript",
    "sql": "sql",
    "swift": "swift",
    "tex": "latex",
    "toml": "toml",
    "cts mts ts": "typescript",
    "tsx": "typescriptreact",
    "vue": "vue",
    "xml": "xml",
    "yaml yml": "yaml",
    "zig": "zig",
}
_EXTENSIONS = {extension: language for some, language in _BY_EXTENSION.items() for extension in some.split()}
_NAMES = {"dockerfile": "dockerfile", "makefile": "makefile", "gnumakefile": "makefile"} | {
    "cmakelists.txt": "cmake",
    "gemfile": "ruby",
    "rakefile": "ruby",
}


def language_of(path: PurePath) -> str:
    """ "" when the name tells nothing."""
    name = path.name.lower()
    return _NAMES.get(name) or _EXTENSIONS.get(path.suffix[1:].lower(), "")

"""The first module of the command `midfill`: it sees to it that all others are the ones that were installed.

Python looks in the folders of $PYTHONPATH before its own library, and an empty entry, as `export
PYTHONPATH=/x:$PYTHONPATH` leaves it, is the folder that an editor was started in. A `token.py` there, or a
checkout of a library that the server uses, would be imported. So that folder is not looked in at all, not
even for modules that are optional, and the others come last: what is nowhere else is still found there.

This one stands alone because it has to be found before that, by a name that nobody else gives a folder.
"""

import os
import sys


def put_last(named: str) -> None:
    """Of `sys.path` what this value of $PYTHONPATH names; the working directory goes."""
    here = _absolute("")
    folders = {_absolute(folder) for folder in named.split(os.pathsep)}
    sys.path.sort(key=lambda folder: _absolute(folder) in folders)
    if here in folders:
        sys.path[:] = [folder for folder in sys.path if _absolute(folder) != here]
        from importlib.util import find_spec  # itself not from there

        if not all(map(find_spec, ("midfill_server", "midfill_model"))):  # they are developed here
            sys.path.append(here)


def _absolute(folder: str) -> str:
    try:
        return os.path.abspath(folder)
    except OSError:  # the working directory was deleted
        return folder


if "PYTHONPATH" in os.environ and not sys.flags.ignore_environment:
    put_last(os.environ["PYTHONPATH"])


def main() -> int:
    """As midfill_server's."""
    from midfill_server.__main__ import main

    return main()

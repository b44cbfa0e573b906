"""Files whose place something else may have taken: a pipe is waited for, a device never ends."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_NOW = getattr(os, "O_NONBLOCK", 0)
_HERE = getattr(os, "O_NOFOLLOW", 0)


def read_plain(path: Path, longest: int, follow: bool = True) -> bytes:
    """What a plain file holds; `follow`: or a link to one. OSError for all else, and for a longer one."""
    with open_plain(path, follow) as file:
        content = b""
        if (size := os.fstat(file.fileno()).st_size) <= longest:
            content = file.read(longest + 1) or b""  # None: what is in /proc may have nothing to say now
    if max(size, len(content)) > longest:
        raise _refused(path, errno.EFBIG)
    return content


def open_plain(path: Path, follow: bool = True) -> BinaryIO:
    """To read it. OSError for what is no plain file, which is not even opened: a device may take that ill."""
    check_plain(path, path.stat(follow_symlinks=follow))
    file = open(os.open(path, os.O_RDONLY | _NOW | (0 if follow else _HERE)), "rb")  # noqa: SIM115 - returned
    try:
        check_plain(path, os.fstat(file.fileno()))  # it may be another one by now
    except OSError:
        file.close()
        raise
    return file


def check_plain(path: Path, state: os.stat_result) -> None:
    """OSError unless it is a plain file."""
    if stat.S_ISDIR(state.st_mode):
        raise _refused(path, errno.EISDIR)
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "It is no plain file", str(path))


def _refused(path: Path, code: int) -> OSError:
    return OSError(code, os.strerror(code), str(path))

"""Who is at the other end of a Unix socket."""

import os
import socket
import struct
from typing import Protocol

_CREDENTIALS = struct.Struct("3i")  # process, user, group: struct ucred, as Linux tells it


_NOBODY = -1  # the user of a socket that is not connected


class NotConnected(ConnectionError):
    """Nobody is there yet."""


class Connected(Protocol):
    def getsockopt(self, level: int, option: int, length: int, /) -> bytes: ...


def is_ours(connection: Connected) -> bool:
    """Whether that process is this user's, or root's. Where a system does not tell: yes. NotConnected."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    if user == _NOBODY:
        raise NotConnected
    return user in (os.getuid(), 0)

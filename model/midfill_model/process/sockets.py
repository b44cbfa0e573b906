"""Where the engine listens: a private Unix socket, or localhost."""

import os
import socket
import sys
from pathlib import Path
from typing import Any

from midfill_model import seam


def unix_socket(folder: Path) -> socket.socket:
    """Bind engine.sock (0600). Call under the lock: a socket found there then belongs to no living engine."""
    path = folder / seam.SOCKET
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise seam.use_another(folder, f"holds what is no socket ({seam.SOCKET}: {error.strerror})") from None
    listener = _Private(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise seam.use_another(folder, f"cannot hold a socket ({error.strerror or error})") from None
    finally:
        os.umask(before)
    listener.listen(128)  # from here on clients wait instead of failing
    return listener


class _Private(socket.socket):
    """It hangs up on other users, who can come here only where a folder's rights are not kept."""

    def accept(self) -> tuple[socket.socket, Any]:
        connection, address = super().accept()
        if seam.is_ours(connection):
            return connection, address
        connection.close()
        raise ConnectionAbortedError  # asyncio goes on to the next


def tcp_socket(port: int) -> socket.socket:
    """Bind localhost; port 0 takes a free one."""
    listener = socket.socket()
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        listener.close()
        why = error.strerror if isinstance(error, OSError) else "no port has that number"
        raise seam.RuntimeFolderError(f"Port {port} cannot be used ({why}); give another --port.") from None
    listener.listen(128)
    return listener

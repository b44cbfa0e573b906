"""What the front and the engine agree on: the runtime folder, its lock and card, their HTTP's fields.

Light: no torch, no HTTP. Only this package and `fim` are imported by both processes.
"""

from midfill_model.seam.card import (
    CARD,
    LOOPBACK,
    SOCKET,
    Card,
    card_in,
    forget_card,
    read_card,
    write_card,
    write_private,
)
from midfill_model.seam.completions import CANCELLED, ENDS, Extras
from midfill_model.seam.folder import (
    RuntimeFolderError,
    cache_folder,
    no_room,
    refused,
    runtime_folder,
    use_another,
    what_stands_there,
)
from midfill_model.seam.health import LARGE, PROTOCOL, SMALL, Budgets, Health, Model, read_health
from midfill_model.seam.lock import (
    Locked,
    Patience,
    engine_lives,
    engine_lock,
    heir_lives,
    heir_lock,
    lock_file,
    locked,
    start_lock,
)
from midfill_model.seam.log import (
    LOG,
    LONGEST_LOG,
    MARK,
    OLD_LOG,
    WithoutText,
    end_of_log,
    keep_short,
    mark,
    note,
    open_log,
)
from midfill_model.seam.pause import is_paused, pause, resume
from midfill_model.seam.peer import NotConnected, is_ours
from midfill_model.seam.plain import check_plain, open_plain, read_plain
from midfill_model.seam.windows import Window, count_windows

__all__ = [
    "CANCELLED",
    "CARD",
    "ENDS",
    "LARGE",
    "LOG",
    "LONGEST_LOG",
    "LOOPBACK",
    "MARK",
    "OLD_LOG",
    "PROTOCOL",
    "SMALL",
    "SOCKET",
    "Budgets",
    "Card",
    "Extras",
    "Health",
    "Locked",
    "Model",
    "NotConnected",
    "Patience",
    "RuntimeFolderError",
    "Window",
    "WithoutText",
    "cache_folder",
    "card_in",
    "check_plain",
    "count_windows",
    "end_of_log",
    "engine_lives",
    "engine_lock",
    "forget_card",
    "heir_lives",
    "heir_lock",
    "is_ours",
    "is_paused",
    "keep_short",
    "lock_file",
    "locked",
    "mark",
    "no_room",
    "note",
    "open_log",
    "open_plain",
    "pause",
    "read_card",
    "read_health",
    "read_plain",
    "refused",
    "resume",
    "runtime_folder",
    "start_lock",
    "use_another",
    "what_stands_there",
    "write_card",
    "write_private",
]

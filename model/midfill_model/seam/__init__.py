"""What the front and the engine agree on: the runtime folder, its lock and card, their HTTP's fields.

Light: no torch, no HTTP. Only this package and `fim` are imported by both processes.
"""

from midfill_model.seam.card import CARD, SOCKET, Card, card_in, read_card, write_card, write_private
from midfill_model.seam.completions import CANCELLED, Extras
from midfill_model.seam.folder import RuntimeFolderError, runtime_folder, use_another
from midfill_model.seam.health import LARGE, PROTOCOL, SMALL, Budgets, Health, Model, read_health
from midfill_model.seam.lock import Locked, engine_lives, engine_lock, locked, start_lock

__all__ = [
    "CANCELLED",
    "CARD",
    "LARGE",
    "PROTOCOL",
    "SMALL",
    "SOCKET",
    "Budgets",
    "Card",
    "Extras",
    "Health",
    "Locked",
    "Model",
    "RuntimeFolderError",
    "card_in",
    "engine_lives",
    "engine_lock",
    "locked",
    "read_card",
    "read_health",
    "runtime_folder",
    "start_lock",
    "use_another",
    "write_card",
    "write_private",
]

"""`midfill download MODEL`. Its help needs none of the libraries that the download itself needs."""

import sys

from midfill_model.checkpoint.config import ModelError
from midfill_model.checkpoint.hub import LITE, HubName
from midfill_model.command_line import INTERRUPTED, Parser, UsageError, complain


def main(argv: list[str]) -> int:
    """Download one model; its folder goes to stdout. Raises UsageError and ModuleNotFoundError."""
    parser = Parser(prog="midfill download", description="Fetch a model from the hub.")
    parser.add_argument(
        "model",
        nargs="?",
        default="lite",
        help=f"lite ({LITE.repo}, the default) or owner/name; add @revision for another one than the newest",
    )
    model = parser.parse_args(argv).model
    if (name := LITE if model == "lite" else HubName.read(model)) is None:
        raise UsageError(f"{model!r} is not a model on the hub; give lite, owner/name or owner/name@revision")
    return _download(name)


def _download(name: HubName) -> int:
    from huggingface_hub.utils import disable_progress_bars

    from .command import Progress, download
    from .errors import DownloadError

    disable_progress_bars("huggingface_hub.http_get")
    try:
        print(download(name, Progress))
    except (DownloadError, ModelError) as error:
        return complain(str(error))
    except KeyboardInterrupt:
        sentence = "stopped; the files fetched so far stay, and the same command goes on from there"
        return complain(sentence, INTERRUPTED)
    print("The download is complete. A running engine keeps its model until `midfill stop`.", file=sys.stderr)
    return 0

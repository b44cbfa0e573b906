"""`midfill download MODEL`. Its help needs none of the libraries that the download itself needs."""

import sys

from midfill_model.checkpoint.config import ModelError
from midfill_model.checkpoint.gguf_name import LITE as LITE_GGUF
from midfill_model.checkpoint.gguf_name import GgufName
from midfill_model.checkpoint.hub import LITE, HubName
from midfill_model.command_line import INTERRUPTED, Parser, UsageError, complain


def main(argv: list[str]) -> int:
    """Download one model; its folder goes to stdout. Raises UsageError and ModuleNotFoundError."""
    parser = Parser(prog="midfill download", description="Fetch a model from the hub.")
    parser.add_argument(
        "model",
        nargs="?",
        default="lite",
        help=f"lite ({LITE.repo}, the default), lite-gguf ({LITE_GGUF.hub.repo}), owner/name, "
        "or owner/name:Q4_K_M for a .gguf file; add @revision for another one than the newest",
    )
    model = parser.parse_args(argv).model
    name = LITE if model == "lite" else HubName.read(model) or GgufName.read(model)
    if name is None:
        raise UsageError(
            f"{model!r} is not a model on the hub; give lite, lite-gguf, owner/name, owner/name@revision or "
            "owner/name:Q4_K_M"
        )
    return _download(name)


def _download(name: HubName | GgufName) -> int:
    from huggingface_hub.utils import disable_progress_bars

    from .command import Progress, download
    from .errors import DownloadError
    from .gguf import download_gguf

    disable_progress_bars("huggingface_hub.http_get")
    try:
        print(download_gguf(name, Progress) if isinstance(name, GgufName) else download(name, Progress))
    except (DownloadError, ModelError) as error:
        return complain(str(error))
    except KeyboardInterrupt:
        sentence = "stopped; the files fetched so far stay, and the same command goes on from there"
        return complain(sentence, INTERRUPTED)
    print("The download is complete. A running engine keeps its model until `midfill stop`.", file=sys.stderr)
    return 0

"""`midfill download MODEL`. Its help needs none of the libraries that the download itself needs."""

import sys

from midfill_model import command_line
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
        default=command_line.LITE,
        help=f"lite ({LITE.repo}, the default), lite-gguf ({LITE_GGUF.hub.repo}), owner/name, "
        "or owner/name:Q4_K_M for a .gguf file; add @revision for another one than the newest",
    )
    parser.add_argument(
        "--tokenizer-only",
        action="store_true",
        help="fetch tokenizer.json alone, for a midfill.url whose server tells no token ids",
    )
    options = parser.parse_args(argv)
    model = options.model
    name = LITE if model == command_line.LITE else HubName.read(model) or GgufName.read(model)
    if name is None:
        raise UsageError(
            f"{model!r} is not a model on the hub; give lite, lite-gguf, owner/name, owner/name@revision or "
            "owner/name:Q4_K_M"
        )
    if options.tokenizer_only and not isinstance(name, HubName):
        raise UsageError(f"a .gguf file holds its tokenizer; give lite or owner/name, not {model}")
    return _download(name, options.tokenizer_only)


def _download(name: HubName | GgufName, tokenizer_only: bool) -> int:
    from huggingface_hub.utils import disable_progress_bars

    from .command import Progress, download
    from .errors import DownloadError, has_some
    from .gguf import download_gguf
    from .tokenizer import download_tokenizer

    disable_progress_bars("huggingface_hub.http_get")
    try:
        if isinstance(name, GgufName):
            print(download_gguf(name, Progress))
        elif tokenizer_only:
            print(download_tokenizer(name))
        else:
            print(download(name, Progress))
    except (DownloadError, ModelError) as error:
        return complain(str(error))
    except KeyboardInterrupt:
        stays = "; the files fetched so far stay, and the same command goes on from there"
        hub_name = name.hub if isinstance(name, GgufName) else name
        return complain(f"stopped{stays if has_some(hub_name) else ''}", INTERRUPTED)
    kept = "" if tokenizer_only else " A running engine keeps its model until `midfill stop`."
    print(f"The download is complete.{kept}", file=sys.stderr)
    return 0

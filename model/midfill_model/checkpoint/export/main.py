"""`midfill export FORMAT DIR`. Its help needs none of the libraries that the export itself needs."""

from midfill_model.checkpoint.config import ModelError
from midfill_model.command_line import Parser, complain, model_name, path, refusal

KINDS = {"gguf": ("f32", "f16", "bf16", "q8_0", "q4_0"), "hf": ("f32", "f16", "bf16")}


def main(argv: list[str]) -> int:
    """Write one model; its file or folder goes to stdout. Raises ModuleNotFoundError."""
    parser = Parser(prog="midfill export", description="Write a model for llama.cpp, vLLM or transformers.")
    parser.add_argument(
        "format", choices=list(KINDS), metavar="FORMAT", help="gguf: llama.cpp's file; hf: a hub folder"
    )
    parser.add_argument("folder", type=path, metavar="DIR", help="where to; it is made if need be")
    parser.add_argument(
        "--model", type=model_name, default="demo", help="demo (the default), a folder, a hub id"
    )
    parser.add_argument("--type", default="f16", choices=KINDS["gguf"], help="of the weights (default: f16)")
    parser.add_argument(
        "--for-vllm",
        action="store_true",
        help="hf: an untied head and a rope that is spelled out, without which vLLM on a CPU writes nonsense",
    )
    options = parser.parse_args(argv)
    if options.type not in KINDS[options.format]:
        parser.error(f"{options.format} knows the types {', '.join(KINDS[options.format])}")
    from midfill_model.checkpoint.hub import resolve

    try:
        source = resolve(options.model)
        options.folder.mkdir(parents=True, exist_ok=True)
        if options.format == "gguf":
            from .gguf_file import write_gguf

            print(write_gguf(source, options.folder, options.type))
        else:
            from .hub_folder import write_hub_folder

            print(write_hub_folder(source, options.folder, options.type, options.for_vllm))
    except ModelError as error:
        return complain(str(error))
    except OSError as error:
        return complain(f"cannot write {error.filename or options.folder}: {refusal(error)}")
    return 0

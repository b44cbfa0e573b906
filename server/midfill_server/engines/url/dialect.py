"""The dialect of what was found at a `url`, with all that it needs: ids have to come from somewhere."""

from __future__ import annotations

from midfill_server.engines.backend import BackendError, Dialect
from midfill_server.engines.dialects.ids import Ids, Tokenize
from midfill_server.engines.dialects.infill import Infill
from midfill_server.engines.dialects.midfill import Midfill
from midfill_server.engines.dialects.mistral import Mistral
from midfill_server.engines.dialects.ollama import CONTEXT, Ollama
from midfill_server.engines.dialects.rendered import Rendered
from midfill_server.engines.dialects.suffix import Suffix
from midfill_server.engines.url.found import LLAMA_CPP, Asks, Found
from midfill_server.engines.url.tokenizer import by_file, of_server


def dialect_for(found: Found, ask: Asks) -> Dialect:
    """Raises BackendError for what this server cannot do."""
    model, version, context = found.model, found.version, found.context
    match found.dialect:
        case "midfill":
            return Midfill(model, version)
        case "suffix":
            return Suffix(model, version, context=context, family=found.family)
        case "mistral":
            return Mistral(model, version, context=context, family=found.family)
        case "infill":
            return Infill(context)
        case "ollama":
            return Ollama(model or "", CONTEXT if context is None else min(context, CONTEXT), found.family)
        case "ids":
            return _ids(found, ask)
    if found.family is None:
        raise BackendError(
            f"Midfill does not know how the model {model} marks the place to fill in: "
            'set midfill.dialect to "suffix" if the server does that, or serve a model that it knows, '
            "such as DeepSeek-Coder or Qwen2.5-Coder"
        )
    return Rendered(model, version, family=found.family, context=context)


def _ids(found: Found, ask: Asks) -> Ids:
    family, signs = found.family, found.signs
    if family is None or signs is None:
        raise BackendError(
            f"{found.engine} has no tokenizer to ask, or its model {found.model} has no signs for "
            "filling in the middle: set midfill.dialect to auto"
        )
    return Ids(
        found.model,
        found.version,
        tokenize=by_file(found.tokenizer) if found.tokenizer else _asked(found, ask),
        family=family,
        signs=signs,
        context=found.context,
        lines_apart=found.lines_apart,
        tells_progress=found.engine == LLAMA_CPP,
    )


def _asked(found: Found, ask: Asks) -> Tokenize:
    """Ids from the server. All but llama.cpp take signs in a text for signs, so they are broken up first."""
    tokenize_with, is_llama = of_server(ask, found.engine, found.model), found.engine == LLAMA_CPP

    async def tokenize(text: str) -> list[int]:
        plain = text if is_llama or found.family is None else found.family.neutral(text)
        ids = await tokenize_with(plain, False) if text else []
        if ids is None:
            raise BackendError(f"{found.engine} does not tokenize any more: restart it")
        return ids

    return tokenize

"""A server that tokenizes for nobody: ids come from the model's tokenizer file, where that is here."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from midfill_model.checkpoint.hub import LITE, HubName, resolve
from midfill_model.fim import CONTROL, FIM_BEGIN
from midfill_model.generation.requests.prompt import Budgets, Parts, fim_prompt
from midfill_model.generation.tokens import Tokenizer
from midfill_server.engines.backend import Order
from midfill_server.engines.url import tokenizer

from ..fake import TEXT, Fake, models
from .asked import asking

MINE = "someone/own-deepseek-coder"
VLLM = {"/v1/models": models(LITE.repo, owner="vllm", max_model_len=2048, root=LITE.repo)}
LLAMA_CPP = {
    "/v1/models": models("default", owner="llamacpp", meta={"n_ctx": 4096}),
    "/props": {"model_path": "/models/DeepSeek-Coder-V2-Lite-Base-Q4_K_M.gguf"},
}
GATEWAY = {"/v1/models": models(MINE)}
SPELLED = Order("".join(f"sign_{n} = '{it}'\n" for n, it in enumerate(CONTROL)) + "x = ", "\nprint(x)\n", 4)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's, with the embedded model's tokenizer file as that of Lite, and of a model of one's own."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    tokenizer._loaded.cache_clear()
    for repo in (LITE.repo, MINE):
        folder = HubName(repo).storage / "snapshots" / str(LITE.revision)
        folder.mkdir(parents=True)
        shutil.copy(resolve("demo") / "tokenizer.json", folder)
    return tmp_path


@pytest.mark.parametrize(
    ("routes", "dialect"), [(VLLM, "auto"), (LLAMA_CPP, "auto"), (GATEWAY, "ids"), (VLLM, "ids")]
)
async def test_ids_are_those_of_the_file(cache: Path, routes: dict[str, Any], dialect: str) -> None:
    own = Tokenizer(resolve("demo"))
    async with asking(Fake(routes), dialect) as asked:
        assert await asked.text(SPELLED) == TEXT
        (status,) = asked.told
        assert status.message.endswith("DeepSeek, its tokenizer file, dialect ids.")
        prompt = asked.fake.bodies[-1]["prompt"]  # one that is not known is tried before
    assert prompt == fim_prompt(own, Parts(SPELLED.prefix, SPELLED.suffix), Budgets(1024, 128)).ids
    assert len([it for it in prompt if it in own.control_ids]) == len(CONTROL) - 1


def spoil(cache: Path, text: str | None) -> None:
    """What every tokenizer file says; None: there are none."""
    for path in cache.rglob("tokenizer.json"):
        path.unlink() if text is None else path.write_text(text)


@pytest.mark.parametrize("what", ["not there", "damaged", "no library"])
async def test_without_the_file_the_prompt_is_text(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    if what == "no library":
        monkeypatch.delitem(sys.modules, "midfill_model.generation.tokens")
        monkeypatch.setitem(sys.modules, "tokenizers", None)
    spoil(cache, None if what == "not there" else "{" if what == "damaged" else "{}")
    async with asking(Fake(VLLM)) as asked:
        assert await asked.text() == TEXT
        assert asked.told[0].message.endswith("dialect rendered.")
        assert asked.fake.bodies[-1]["prompt"].startswith(FIM_BEGIN)
    told = {"not there": "", "damaged": "is not valid JSON", "no library": 'pip install "midfill[tokenizer]"'}
    assert told[what] in caplog.text and len(caplog.records) == (what != "not there")


async def test_another_models_file_is_never_taken(cache: Path) -> None:
    async with asking(Fake({"/v1/models": models("deepseek-coder-6.7b-base", owner="vllm")})) as asked:
        await asked.text()
        assert asked.told[0].message.endswith("dialect rendered.")

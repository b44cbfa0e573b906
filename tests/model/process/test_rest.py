"""An engine whose model leaves the memory, and comes back; one that leaves with the last window."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from midfill_model import seam

from .test_api import PROMPT, client, end, health, start, wait_for_card

NEVER = ("--idle-minutes", "600")


async def test_a_model_leaves_the_memory_and_comes_back_with_the_next_request(
    tmp_path: Path, tiny_folder: Path
) -> None:
    window = seam.Window()
    window.open(tmp_path)
    process = start(tmp_path, tiny_folder, "--idle-minutes", "0.01")
    async with client(wait_for_card(tmp_path, process)) as http:
        first = (await http.post("/v1/completions", json=PROMPT)).json()
        asleep = await health(http, asleep=True, status="ready", windows=1)
        assert asleep["model"]["id"] and asleep["message"].startswith("The model has left the memory")
        again = (await http.post("/v1/completions", json=PROMPT)).json()
        assert again["choices"] == first["choices"]
        await health(http, asleep=True)  # and once more
    window.close()
    assert end(process) == (0, "")


async def test_a_pause_lets_the_model_go(tmp_path: Path, tiny_folder: Path) -> None:
    process = start(tmp_path, tiny_folder, *NEVER)
    async with client(wait_for_card(tmp_path, process)) as http:
        await health(http, asleep=False, status="ready")
        seam.pause(tmp_path)
        await health(http, asleep=True)
    assert end(process) == (0, "")


async def test_the_process_leaves_with_the_last_window(tmp_path: Path, tiny_folder: Path) -> None:
    window = seam.Window()
    window.open(tmp_path)
    process = start(tmp_path, tiny_folder, *NEVER, "--leave-after", "0.2")
    async with client(wait_for_card(tmp_path, process)) as http:
        await health(http, windows=1, status="ready")
    window.close()
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0


async def test_its_figures_are_prometheus(tmp_path: Path, tiny_folder: Path) -> None:
    process = start(tmp_path, tiny_folder, *NEVER)
    async with client(wait_for_card(tmp_path, process)) as http:
        for _ in range(2):
            assert (await http.post("/v1/completions", json=PROMPT)).status_code == 200
        answer = await http.get("/metrics")
        told = (await http.get("/health")).json()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {
        (it.name, *it.labels.values()): it.value
        for family in text_string_to_metric_families(answer.text)
        for it in family.samples
    }
    n = sum(found["midfill_requests_total", outcome] for outcome in ("stop", "length"))
    assert n == 2 and found["midfill_tokens_total", "reused"] > 0
    assert found["midfill_loaded",] == 1 and found["midfill_memory_resident_bytes",] > 0
    assert 0 < told["figures"]["reused_share"] < 1 and told["uptime_seconds"] > 0
    assert end(process) == (0, "")

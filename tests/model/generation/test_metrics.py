"""What is counted of requests, and its text as Prometheus' own parser reads it."""

from prometheus_client.parser import text_string_to_metric_families

from midfill_model.generation.requests.metrics import BOUNDS, Histogram, Metrics
from midfill_model.generation.requests.ticket import Delta, Done, Event, Failed, Timings

WHOLE = Timings(prompt_tokens=100, reused_tokens=90, completion_tokens=11, decode_ms=100.0)


def parsed(text: str) -> dict[tuple[str, str], float]:
    """(name, its labels' values) -> value."""
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_request_is_counted_once_and_passed_on() -> None:
    metrics, passed = Metrics(), list[Event]()
    events: tuple[Event, ...] = (Delta("a", WHOLE), Delta("b"), Done("stop", WHOLE))
    for event in events:
        (emit := metrics.watched(passed.append)) if event is events[0] else None
        emit(event)
    metrics.watched(passed.append)(Failed("out of memory", "engine"))
    metrics.watched(passed.append)(Failed("a bad request", "request"))
    assert passed[:3] == list(events)
    found = parsed(metrics.as_text({"windows": ("Windows", 2)}))
    assert found["midfill_requests_total", "stop"] == 1
    assert found["midfill_requests_total", "failed"] == 2
    assert found["midfill_requests_total", "cancelled"] == 0
    assert [found["midfill_tokens_total", it] for it in ("prompt", "reused", "written")] == [100, 90, 11]
    assert found["midfill_first_text_seconds_count", ""] == 1
    assert found["midfill_request_seconds_count", ""] == 3
    assert found["midfill_windows", ""] == 2
    assert metrics.last_error == "out of memory"


def test_whole_numbers_are_written_whole() -> None:
    text = Metrics().as_text({"memory_bytes": ("Memory", 743985152), "load": ("Load", 0.25)})
    assert "\nmidfill_memory_bytes 743985152\n" in text and "\nmidfill_load 0.25\n" in text


def test_a_request_that_hung_up_counts_what_its_first_text_told() -> None:
    metrics = Metrics()
    emit = metrics.watched(lambda _: None)
    emit(Delta("a", WHOLE))
    emit(Done("cancelled", Timings()))
    found = parsed(metrics.as_text({}))
    assert (found["midfill_requests_total", "cancelled"], found["midfill_tokens_total", "reused"]) == (1, 90)


def test_the_last_requests_are_told_in_figures() -> None:
    metrics = Metrics()
    assert metrics.told() == {}
    for _ in range(2000):
        emit = metrics.watched(lambda _: None)
        emit(Delta("a", WHOLE))
        emit(Done("stop", WHOLE))
    told = metrics.told()
    assert (told["tokens_per_second"], told["reused_share"]) == (100.0, 0.9)
    assert 0 <= told["first_text_p50"] <= told["first_text_p95"] < 60


def test_buckets_hold_all_that_is_below() -> None:
    histogram = Histogram()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] + 1e-9, 1e9):
        histogram.add(seconds)
    lines = list(histogram.lines("x"))
    assert lines[:2] == ['x_bucket{le="0.01"} 2', 'x_bucket{le="0.025"} 3']
    assert lines[-3] == 'x_bucket{le="+Inf"} 4' and lines[-1] == "x_count 4"

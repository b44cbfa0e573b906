"""One report, told three ways."""

from xml.etree import ElementTree

from midfill_server.tools.evaluation.figures.outcome import percentile
from midfill_server.tools.evaluation.report import page
from midfill_server.tools.evaluation.report.tables import Curves, Report, Row, Strip, Table

REPORT = Report(
    {"command": "eval", "data": "<a & b>"},
    (
        Table(
            "quality",
            "Quality",
            ("line", "all"),
            (Row("n", "holes", "", (5, 10)), Row("x", "x", "%", (0.5, None))),
        ),
        Table("speed", "Speed", ("p50",), (Row("whole_ms", "whole", "ms", (12.34,)),)),
    ),
    (
        Curves("Latency", "ms", {"whole": [3, 1, 2], "none": []}),
        Curves("Nothing", "ms", {}),
        Strip("Keys", ("good", "bad"), ["good", "bad", "bad"] * 50),
    ),
)


def test_as_text() -> None:
    text = REPORT.as_text()
    assert "data: <a & b>" in text
    assert [line.split() for line in text.splitlines() if line.startswith("x")] == [["x", "50.0", "%", "-"]]
    assert "12.3 ms" in text


def test_as_json() -> None:
    found = REPORT.as_json()
    assert found["quality"] == {"line": {"n": 5, "x": 0.5}, "all": {"n": 10, "x": None}}
    assert found["command"] == "eval"


def test_the_page_is_well_formed_and_needs_nothing_else() -> None:
    text = page.html(REPORT)
    assert "&lt;a &amp; b&gt;" in text
    body = text[text.index("<body>") : text.index("</body>") + 7].replace("<br>", "<br/>")
    root = ElementTree.fromstring(body)
    assert len(root.findall(".//svg")) == 3  # bars, curves, strip
    assert len(root.findall(".//polyline")) == 1
    assert not any(word in text for word in ("<script", "http://", "https://", "<link", "<img"))


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile([], 95) is None
    assert percentile([7], 95) == 7
    assert percentile(range(1, 101), 95) == 95
    assert percentile([3, 1, 2], 50) == 2

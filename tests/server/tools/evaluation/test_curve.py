"""What other values of `confidence` would have shown, from one generation for each hole."""

import math
from pathlib import Path

from midfill_server.tools.evaluation.figures import curve
from midfill_server.tools.evaluation.figures.curve import CONFIDENCES, Filled
from midfill_server.tools.evaluation.holes import File, Hole
from midfill_server.tools.evaluation.report.tables import Table
from midfill_server.tools.evaluation.tap import Exchange
from midfill_server.trim.gate import Scored


def filled(hidden: str, *tokens: tuple[str, float]) -> Filled:
    """A hole at a line's end, and what was written there."""
    text = "x = " + hidden + "\n"
    hole = Hole("line", File(Path("a.txt"), text), 4, 4 + len(hidden))
    written = tuple((len(it), math.log(p)) for it, p in tokens)
    exchange = Exchange({"prompt": "x = ", "suffix": "\n"}, 0.0, finish="stop")
    exchange.scored = Scored().then("".join(it for it, _ in tokens), written)
    return Filled(hole, exchange)


RIGHT = filled("total + tax", ("total", 0.9), (" +", 0.9), (" tax", 0.95))
HALF = filled("total - tax", ("total", 0.9), (" +", 0.6), (" tax", 0.6))
WRONG = filled("rate", ("total", 0.3), (" +", 0.9))


def column(table: Table, name: str) -> dict[str, float | None]:
    n = table.columns.index(name)
    return {row.name: row.values[n] for row in table.rows}


def test_each_confidence_shows_its_part() -> None:
    by_confidence, _ = curve.tables([RIGHT, HALF, WRONG])
    everything, careful = column(by_confidence, "0"), column(by_confidence, "0.6")
    assert everything["shown"] == 1
    assert everything["characters_right"] == len("total + tax")
    assert everything["characters_wrong"] == len("total + tax") + len("total +")
    assert careful["shown"] == 2 / 3 and careful["right_so_far"] == 1  # "total" of the second one
    assert careful["characters_right"] == len("total + tax") + len("total")
    assert careful["right_to_wrong"] is None  # nothing is wrong
    assert careful["exact_line"] == 1 / 3


def test_lines_that_are_likelier_are_counted_apart() -> None:
    _, calibration = curve.tables([RIGHT, HALF, WRONG])
    assert column(calibration, "0.6 to 0.8") == {"holes": 1, "right": 1}
    assert column(calibration, "0.2 to 0.4") == {"holes": 2, "right": 0}
    assert column(calibration, "0.0 to 0.2") == {"holes": 0, "right": None}


def test_the_curve_is_drawn() -> None:
    (drawn,) = curve.plots([RIGHT, WRONG])
    assert drawn.at == CONFIDENCES
    assert {len(values) for values in drawn.values.values()} == {len(CONFIDENCES)}


def test_an_engine_without_probabilities_has_no_curve() -> None:
    untold = Filled(RIGHT.hole, Exchange({"prompt": "x = "}, 0.0))
    assert not curve.tables([untold]) and not curve.plots([untold])

"""Owns the picture of cost against size; `python -m bench.scale.plot` draws it from the results that are there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).parents[1] / "results" / "scale.json"
IMAGE: Final = Path(__file__).parents[2] / "docs" / "images" / "scale.png"

_CASES: Final = {  # colours that differ in brightness too, and for eyes that do not tell red from green
    "refresh": ("Refresh", "#0072b2", "o"),
    "issue": ("Issue", "#d55e00", "s"),
    "introspect_refresh": ("Introspect, refresh token", "#009e73", "^"),
    "introspect_warm": ("Introspect, access token", "#56565b", "D"),
}
_PANELS: Final = {"cpu_us": "Server", "database_cpu_us": "PostgreSQL"}


def draw(results: Mapping[str, Any], image: Path = IMAGE) -> None:
    """Write the picture; exits with a message where matplotlib is missing."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - heavy, and for this picture alone
    except ModuleNotFoundError:
        raise SystemExit("the picture needs matplotlib: pip install 'tokensvc[bench]'") from None
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after its backend is chosen

    figure, panels = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
    for panel, (measure, title) in zip(panels, _PANELS.items(), strict=True):
        for case, (label, colour, marker) in _CASES.items():
            points = [(size["sessions"], _cost(size, case, measure)) for size in results["sizes"]]
            panel.plot(*zip(*points, strict=True), label=label, color=colour, marker=marker, linewidth=2)
        panel.set(xscale="log", xlabel="sessions in the table", title=title)
        panel.grid(axis="y", color="#dddddd")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set(ylabel="CPU per RPC (µs)", ylim=(0, None))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    image.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(image, dpi=120)


def _cost(size: Mapping[str, Any], case: str, measure: str) -> float:
    return next(float(row[measure]) for row in size["rows"] if row["case"] == case)


if __name__ == "__main__":
    draw(json.loads(RESULTS.read_text()))

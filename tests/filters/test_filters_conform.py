"""Every filter of the engine inherits its contract's suite."""

from typing import Any

from automl.contracts import Curve, Leg, Monitor, Objective, Opened, RungRecord, RungResult, Screen
from automl.filters.cost import Cost
from automl.filters.duplicates import Duplicates
from automl.filters.exportability import Exportability
from automl.filters.quality import Quality
from automl.filters.stability import Stability
from automl.filters.validity import Validity
from automl.flows.references import Seen
from automl.testing.filter_suite import MonitorSuite, ScreenSuite

HEALTHY: dict[str, Any] = {
    "finite": True,
    "input_dependence": 0.3,
    "gradient_reach": {"convs": 5, "reached": 5},
    "parameters": 1000,
    "flops": 2000,
    "exportable": True,
    "export_error": None,
}


def case(fingerprint: str = "new", **changes: Any) -> tuple[Any, ...]:
    study = Seen()
    study.baseline = {"net": HEALTHY}
    study.add("old", 3)
    return {}, fingerprint, {"net": {**HEALTHY, **changes}}, study


def judged(step: int, accuracy: float | None, **measurements: Any) -> dict[str, Any]:
    curve = Curve(steps=(step,), metrics={"accuracy": (accuracy,)})
    result = RungResult(
        curves=(curve,), measurements=(measurements,), snapshots=(None,), diverged=(False,), steps=step, seconds=0.0
    )
    return {
        "trial": Opened(number=0, genotype={}, fingerprint="f"),
        "rung": RungRecord(leg="net", index=0, result=result),
        "leg": Leg(variant="net"),
        "curve": curve,
        "reference": (),
    }


class TestDuplicates(ScreenSuite):
    def screen(self) -> Screen:
        return Duplicates()

    def kept(self) -> tuple[Any, ...]:
        return case()

    def dropped(self) -> tuple[Any, ...]:
        return case("old")


class TestValidity(ScreenSuite):
    def screen(self) -> Screen:
        return Validity()

    def kept(self) -> tuple[Any, ...]:
        return case()

    def dropped(self) -> tuple[Any, ...]:
        return case(finite=False)


class TestCost(ScreenSuite):
    def screen(self) -> Screen:
        return Cost()

    def kept(self) -> tuple[Any, ...]:
        return case()

    def dropped(self) -> tuple[Any, ...]:
        return case(flops=10_000)


class TestExportability(ScreenSuite):
    def screen(self) -> Screen:
        return Exportability()

    def kept(self) -> tuple[Any, ...]:
        return case()

    def dropped(self) -> tuple[Any, ...]:
        return case(exportable=False, export_error="no such operator")


class TestQuality(MonitorSuite):
    def monitor(self) -> Monitor:
        return Quality(objectives=(Objective(name="a", direction="maximize", metric="accuracy", chance=0.1),))

    def kept(self) -> dict[str, Any]:
        return judged(100, 0.5)

    def dropped(self) -> dict[str, Any]:
        return judged(100, 0.1)

    def silent(self) -> dict[str, Any]:
        return judged(10, 0.1)


class TestStability(MonitorSuite):
    def monitor(self) -> Monitor:
        return Stability()

    def kept(self) -> dict[str, Any]:
        return judged(100, 0.5, stability={"gradient_norm": 40.0, "steps": 100})

    def dropped(self) -> dict[str, Any]:
        return judged(100, 0.5, stability={"gradient_norm": None, "steps": 7})

    def silent(self) -> dict[str, Any]:
        return judged(300, 0.5)

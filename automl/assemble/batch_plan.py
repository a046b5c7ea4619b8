"""How many candidates a study trains as one computation: decided when it is created, and stored in its header.

Why: the decision rests on a measurement, and stacked numbers differ from the others in their last digits. The rule: a
study that exists keeps what its header says; a header without "batch" means one candidate after the other.
"""

from collections.abc import Mapping
from typing import Any

from automl.assemble.header import Limits, Request
from automl.assemble.plan import space_of, task_of
from automl.canonical import JSON
from automl.config import check, sections
from automl.errors import InvalidSetting
from automl.plugins import Objects


def with_batch_plan(
    header: Mapping[str, JSON], *, request: Request, objects: Objects, stored: Mapping[str, Any] | None
) -> dict[str, JSON]:
    """Returns a header with "batch": {"width", "speed_up", "reason"}, where there is anything to decide.

    Args:
        header: as of `header_of`.
        request: its setting `executor.batch` wins.
        objects: what `object:` locators stand for.
        stored: header of the study of that name, if there is one.

    Raises:
        InvalidSetting: a batch is asked for that the space or the task's model does not allow.
    """
    from automl.filters.chain import MONITORS, SCREENS

    given = sections(request.settings, filters=[*SCREENS, *MONITORS])["executor"]
    limits = Limits(**check("executor", Limits, given))
    kept = (stored or {}).get("batch")
    if stored is not None and limits.batch in ("auto", (kept or {}).get("width", 1)):
        return dict(header) if kept is None else {**header, "batch": kept}
    batch = _decided(header, objects, limits)
    return dict(header) if batch is None else {**header, "batch": batch}


def _decided(header: Mapping[str, Any], objects: Objects, limits: Limits) -> dict[str, JSON] | None:
    """Returns the entry of the header; None where candidates are trained one after the other as a matter of course."""
    if limits.batch == 1:
        return None
    from automl.training.calibration import STACKABLE_SLOTS, WIDTHS, calibrate, measured_speed_up, require_stackable

    slots = space_of(header["space"]["locator"], objects).slots
    task, wanted = task_of(header["task"]["locator"], objects), limits.batch
    if wanted != "auto":
        if not slots <= STACKABLE_SLOTS:
            others = ", ".join(sorted(slots - STACKABLE_SLOTS))
            raise InvalidSetting("executor.batch", wanted, f"1 or auto for a space that changes {others}")
        require_stackable(task, threads=limits.threads)
        speed_up = measured_speed_up(task, wanted, threads=limits.threads)
        return {"width": wanted, "speed_up": round(speed_up, 2), "reason": "asked for"}
    widths = [width for width in WIDTHS if width <= header["depth"]][-1:]  # one: the clock must not choose among them
    if not slots <= STACKABLE_SLOTS or header["device"] != "cpu" or not widths:
        return None  # the driver never opens CUDA, so nothing can be measured there
    found = calibrate(task, memory_bytes=int(limits.memory_gib * 2**30), widths=widths, threads=limits.threads)
    return {"width": found.width, "speed_up": round(found.speed_up, 2), "reason": found.reason}

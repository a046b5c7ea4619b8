"""From a trial to files that others can use: train it whole, write the bundle, register the model.

Why: a candidate is worth what is left of it outside this package. The rule: the exported model is the first fresh seed
of the rerank (trained again where its snapshot is gone), never the best of several; it is registered only if parity
holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.assemble.parts import runner_of, sync_of
from automl.assemble.plan import task_of
from automl.canonical import JSON, digest
from automl.contracts import Genotype, Leg, RungJob, ScheduleSpace, StudyLog
from automl.errors import ExportError
from automl.flows.alternatives import choose
from automl.flows.plan import Plan
from automl.flows.retraining import FIRST_REPLICATE, SPLITS
from automl.plugins import Objects
from automl.seeding import child_seed

if TYPE_CHECKING:
    from torch import Tensor

    from automl.export.bundle import Bundle
    from automl.training.runner import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is to be published.

    Attributes:
        log: of the study.
        trial: number.
        directory: of the bundle; one folder per architecture in it where the task has several.
        snapshots: folder of the study's training states.
        tracking_uri: of the MLflow store that takes the model; None = not registered.
        command: exact command that writes the bundle again.
    """

    log: StudyLog
    trial: int
    directory: Path
    snapshots: Path
    tracking_uri: str | None
    command: str

    @property
    def report(self) -> Mapping[str, Any]:
        """The last rerank, if the trial was in it, else nothing."""
        report: Mapping[str, Any] = self.log.notes.get("rerank", {})
        return report if self.trial in [one["trial"] for one in report.get("finalists", ())] else {}


def publish(plan: Plan, publication: Publication, *, objects: Objects) -> dict[str, Any]:
    """Writes one bundle per architecture of the task and registers each model.

    Returns:
        {"trial", "proven", "bundles": variant -> {"directory", "files", "parity", "registered", "problem"}}

    Raises:
        ExportError: it does not export, or ONNX Runtime gives other numbers; nothing is left behind.
    """
    report = publication.report
    if report:
        plan = replace(plan, task=task_of(report["task_locator"], objects), task_locator=report["task_locator"])
    runner = runner_of(objects, publication.snapshots)
    legs = {leg.variant: leg for leg in _chosen_legs(plan, publication)}
    bundles = {}
    for variant in plan.variants:
        place = publication.directory if len(legs) == 1 else publication.directory / variant
        bundles[variant] = _write(plan, publication, legs[variant], runner=runner, directory=place)
    proven = bool(report) and report["winner"] == publication.trial
    return {"trial": publication.trial, "proven": proven, "bundles": bundles}


def _write(plan: Plan, publication: Publication, leg: Leg, *, runner: "Runner", directory: Path) -> dict[str, Any]:
    from automl.export.bundle import Candidate, Provenance, write_bundle
    from automl.export.update_step import update_step_of

    genotype = publication.log.opened[publication.trial].genotype
    job = _job(plan, publication, leg)
    chosen = publication.report.get("chosen") == publication.trial
    snapshot = publication.report["snapshots"].get(job.leg.key) if chosen else None
    test = plan.task.data("test", leg.variant)
    model = runner.model(job, snapshot=snapshot).to("cpu")
    bundle = write_bundle(
        directory,
        Candidate(
            module=model,
            inputs=test.inputs,
            measure=lambda measured: plan.task.measure(measured, test),
            genotype=genotype,
            description=plan.space.describe(genotype),
            source=plan.space.source(genotype, advice=_advice(plan, leg)),
            update_step=update_step_of(runner.recipe(job.refs[0]).update_rule, model),
            attachments=_attachments(plan, genotype, steps=job.steps[1]),
        ),
        provenance=Provenance(
            study=publication.log.name,
            trial=publication.trial,
            seed=plan.seed,
            command=publication.command,
            details=_details(plan, publication, leg),
        ),
    )
    registered, problem = _register(plan, publication, bundle, inputs=test.inputs)
    return {
        "directory": str(bundle.directory),
        "files": dict(bundle.files),
        "parity": bundle.parity.to_json(),
        "registered": registered,
        "problem": problem,
    }


def _attachments(plan: Plan, genotype: Genotype, *, steps: int) -> dict[str, bytes]:
    """Returns the picture of the candidate, and of a schedule known beforehand also its table."""
    from automl.tracking.pictures import candidate_png

    files = {"candidate.png": candidate_png(plan.space.draw, genotype)}
    curve = plan.space.multipliers(genotype, steps) if isinstance(plan.space, ScheduleSpace) else None
    if curve is not None:
        rows = "".join(f"{step},{value!r}\n" for step, value in enumerate(curve.tolist()))
        files["schedule.csv"] = f"step,multiplier\n{rows}".encode()
    return files


def _chosen_legs(plan: Plan, publication: Publication) -> tuple[Leg, ...]:
    """Returns one leg per architecture: as the rerank chose, else the best of the search, else the task's first."""
    rows = {row["trial"]: row for row in publication.report.get("finalists", ())}
    if publication.trial in rows:
        return tuple(Leg.from_json(leg) for leg in rows[publication.trial]["legs"])
    curves = publication.log.closed[publication.trial].curves
    reached = {leg: curves[leg.key] for leg in plan.task.legs("search") if leg.key in curves}
    first = {leg.variant: leg for leg in reversed(plan.task.legs("rerank"))}
    best = choose(plan.task.objectives, [reached]) or ()
    return tuple({**first, **{leg.variant: leg for leg in best}}.values())


def _advice(plan: Plan, leg: Leg) -> dict[str, float]:
    """Returns the settings that the candidate is trained with, for whoever uses it elsewhere."""
    recipe = plan.task.baseline(leg.variant)
    known = {"learning_rate": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    return {name: leg.overrides.get(name, value) for name, value in known.items()}


def _job(plan: Plan, publication: Publication, leg: Leg) -> RungJob:
    """Returns the job of the rerank's first seed, so that its snapshot fits."""
    steps = publication.report.get("steps")
    overrides = leg.overrides if steps is None else {**leg.overrides, "steps": steps}
    fresh = replace(leg, overrides=overrides, replicate=FIRST_REPLICATE)
    genotype = publication.log.opened[publication.trial].genotype
    job = plan.full_job(genotype, fresh, seed=child_seed(plan.seed, "rerank"), splits=SPLITS)
    return job if steps is None else replace(job, steps=(0, steps))


def _details(plan: Plan, publication: Publication, leg: Leg) -> dict[str, JSON]:
    closed = publication.log.closed[publication.trial]
    return {
        "task": plan.task_locator,
        "space": plan.space_locator,
        "variant": leg.variant,
        "search_values": list(closed.values),
        "rerank": publication.report.get("text"),
        "environment": publication.log.header["environment"],
    }


def _register(
    plan: Plan, publication: Publication, bundle: "Bundle", *, inputs: "Tensor"
) -> tuple[str | None, str | None]:
    """Returns (model URI, None), or (None, why not): the files are worth having without a registry."""
    if publication.tracking_uri is None:
        return None, "no tracking URI"
    from automl.export.model_registry import register_bundle
    from automl.tracking.problems import TrackingProblem

    genotype = publication.log.opened[publication.trial].genotype
    try:
        run_id = sync_of(plan, publication.tracking_uri).run_id(publication.log, publication.trial)
        registered = register_bundle(
            bundle,
            name=f"{publication.log.name}-{bundle.directory.name}" if len(plan.variants) > 1 else publication.log.name,
            tracking_uri=publication.tracking_uri,
            run_id=run_id,
            inputs=inputs,
            tags={"study": publication.log.name, "trial": str(publication.trial), "genotype": digest(genotype)},
        )
    except (TrackingProblem, ExportError) as problem:
        return None, str(problem)
    return registered.uri, None

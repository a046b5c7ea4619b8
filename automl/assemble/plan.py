"""From a header to a plan: which class stands for which name.

Why: searchers and filters are named on the command line and in the header; this file maps each name to its class with
an explicit `match`, and imports it only when it is chosen (importing EvoTorch costs seconds).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

from automl.contracts import Monitor, Objective, Screen, Searcher, SearchSpace, Task
from automl.errors import UnknownName
from automl.flows.plan import Plan
from automl.plugins import Objects, resolve

SEARCHERS: Mapping[str, str] = {
    "random": "independent random genotypes; any space",
    "evolution": "regularised evolution with ageing and Pareto tournaments; any space (the default)",
    "tpe": "Optuna's tree-structured Parzen estimator",
    "gp": "Optuna's Gaussian process; at most 500 trials",
    "nsga2": "Optuna's NSGA-II, for several objectives",
    "nsga3": "Optuna's NSGA-III, for many objectives",
    "qmc": "Optuna's quasi-random sequence",
    "cmaes": "CMA-ES: learns scales and correlations; spaces that ask for the same numbers each time",
    "snes": "separable natural evolution strategy; spaces that ask for the same numbers each time",
    "cem": "cross-entropy method; spaces that ask for the same numbers each time",
    "pgpe": "policy gradients with antithetic pairs; spaces that ask for the same numbers each time",
    "annealing-law": "a law of loss curves, fitted to the trials so far; spaces of schedules with a fixed peak",
}


def plan_of(header: Mapping[str, Any], objects: Objects | None = None) -> Plan:
    """Returns the plan of a study; the header decides it alone.

    Args:
        header: as of `header_of`.
        objects: what `object:` locators stand for.
    """
    space = space_of(header["space"]["locator"], objects)
    task = task_of(header["task"]["locator"], objects)
    named = header["searcher"]
    searcher = _searcher(named["name"], space=space, objectives=task.objectives, settings=named["settings"])
    block = getattr(searcher, "generation", 1)  # of the searcher itself: a warm start does not change its generations
    if named["warm_start"]:
        from automl.searchers.warm_start import WarmStart

        searcher = WarmStart(space=space, searcher=searcher, genotypes=tuple(named["warm_start"]))
    screens, monitors = _filters(header["filters"], task.objectives)
    return Plan(
        space=space,
        space_locator=header["space"]["locator"],
        task=task,
        task_locator=header["task"]["locator"],
        searcher=searcher,
        screens=(*screens, *space.screens()),
        monitors=(*monitors, *space.monitors()),
        seed=header["seed"],
        depth=header["depth"],
        block=block,
        threads=header["limits"]["threads"],
        device=header["device"],
        audit=header["audit"],
        widths={header["task"]["locator"]: header.get("batch", {}).get("width", 1)},
    )


def space_of(locator: str, objects: Objects | None = None) -> SearchSpace:
    """Returns the search space at a locator."""
    return cast(SearchSpace, resolve("search space", locator, objects=objects))


def task_of(locator: str, objects: Objects | None = None) -> Task:
    """Returns the task at a locator."""
    return cast(Task, resolve("task", locator, objects=objects))


def searcher_class(name: str) -> type:
    """Returns the class of a searcher.

    Raises:
        UnknownName: there is none of that name.
    """
    match name:
        case "random":
            from automl.searchers.random_search import RandomSearch

            return RandomSearch
        case "evolution":
            from automl.searchers.evolution import Evolution

            return Evolution
        case "tpe":
            from automl.searchers.optuna_sampler import Tpe

            return Tpe
        case "gp":
            from automl.searchers.optuna_sampler import GaussianProcess

            return GaussianProcess
        case "nsga2":
            from automl.searchers.optuna_sampler import Nsga2

            return Nsga2
        case "nsga3":
            from automl.searchers.optuna_sampler import Nsga3

            return Nsga3
        case "qmc":
            from automl.searchers.optuna_sampler import QuasiRandom

            return QuasiRandom
        case "cmaes":
            from automl.searchers.cma_es import CmaEs

            return CmaEs
        case "snes":
            from automl.searchers.natural_evolution import Snes

            return Snes
        case "cem":
            from automl.searchers.evotorch_gaussian import Cem

            return Cem
        case "pgpe":
            from automl.searchers.evotorch_gaussian import Pgpe

            return Pgpe
        case "annealing-law":
            from automl.searchers.annealing_law import LawSearch

            return LawSearch
        case _:
            raise UnknownName("searcher", name, SEARCHERS)


def _searcher(
    name: str, *, space: SearchSpace, objectives: tuple[Objective, ...], settings: Mapping[str, Any]
) -> Searcher[Any]:
    parts = {"space": space, "objectives": objectives}
    return cast(Searcher[Any], _wired(searcher_class(name), parts, settings))


def _filters(
    chosen: Mapping[str, Mapping[str, Any]], objectives: tuple[Objective, ...]
) -> tuple[tuple[Screen, ...], tuple[Monitor, ...]]:
    from automl.filters.chain import MONITORS, SCREENS

    parts = {"objectives": objectives}
    screens = tuple(_wired(cls, parts, chosen[name]) for name, cls in SCREENS.items() if name in chosen)
    monitors = tuple(_wired(cls, parts, chosen[name]) for name, cls in MONITORS.items() if name in chosen)
    return screens, monitors


def _wired(cls: type, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    """Returns a component made of its settings and of those parts of the study that it has fields for."""
    known = {one.name for one in dataclasses.fields(cls)}
    return cls(**{name: part for name, part in parts.items() if name in known}, **settings)

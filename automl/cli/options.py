"""Options and arguments that several commands share, so that they read alike everywhere."""

from typing import Annotated, TypeAlias

import typer

Study: TypeAlias = Annotated[str, typer.Argument(help="Name of the study.", metavar="STUDY")]
Trial: TypeAlias = Annotated[int, typer.Argument(help="Number of the trial.", metavar="TRIAL", min=0)]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Storage: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Where studies are kept: sqlite:///FILE or postgresql://...",
        show_default="AUTOML_STORAGE or sqlite:///.automl/studies.db",
    ),
]
TrackingUri: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        help="MLflow's tracking URI.",
        show_default="MLFLOW_TRACKING_URI or sqlite:///.automl/mlflow.db",
    ),
]
Timeout: TypeAlias = Annotated[
    float | None, typer.Option(metavar="SECONDS", min=0.001, help="Start no new trial after this time.")
]
Workers: TypeAlias = Annotated[int, typer.Option(min=1, help="Worker processes.")]
Trained: TypeAlias = Annotated[int | None, typer.Option(min=1, help="Budget of trained trials.")]

"""`automl sync` and `automl ui`: MLflow as a view of studies.

The rule: MLflow's own server runs as a process of its own, so this file imports nothing of MLflow.
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from automl.cli import options
from automl.cli.errors import FAILED
from automl.cli.printing import emit, fields
from automl.config import tracking_uri as resolved_tracking_uri
from automl.errors import UsageError
from automl.tracking.mlflow_settings import set_mlflow_defaults

_SQLITE = "sqlite:///"


def sync(
    study: options.Study,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
    json: options.AsJson = False,
) -> None:
    """Send to MLflow what it has not got of STUDY."""
    from automl import run

    sent = run.load_study(study, storage=storage, tracking_uri=tracking_uri).sync()
    emit(sent, as_json=json, text=fields(sent))
    if sent["problem"]:
        raise typer.Exit(FAILED)


def ui(
    tracking_uri: options.TrackingUri = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
) -> None:
    """Start MLflow's web interface; Ctrl-C ends it."""
    uri = resolved_tracking_uri(tracking_uri)
    if uri.startswith(("http://", "https://")):
        raise UsageError(f"{uri} is a server already; open it in a browser.")
    if uri.startswith(_SQLITE):
        Path(uri.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    set_mlflow_defaults()
    typer.echo(f"MLflow at http://{host}:{port} (Ctrl-C ends it)", err=True)
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", host, "--port", str(port)]
    raise typer.Exit(subprocess.run(command, check=False).returncode)

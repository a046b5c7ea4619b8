"""MLflow's environment variables, set before MLflow is first imported.

Why: MLflow reads its time-outs, log level and telemetry switch from the environment only; a default client was still
retrying a dead server after 45 s. The rule: a variable that the user has set wins.
"""

import os

DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


def set_mlflow_defaults() -> None:
    """Sets what is not set yet. Call it before importing `mlflow_runs`, `mlflow_sync` or `model_registry`."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)

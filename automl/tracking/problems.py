"""What went wrong with the tracking store, in words that say how to fix it.

Why: MLflow reports a locked database, an old schema and a dead server as long tracebacks of three libraries.
The rule: a tracking problem never stops a search; it is text in a status.
"""

from dataclasses import dataclass

from automl.errors import AutoMLError

MAX_DETAIL = 300

_REMEDIES = (
    (("out-of-date database schema",), "its schema is old; back it up and run `mlflow db upgrade {uri}`"),
    (("can't locate revision",), "a newer MLflow wrote it; upgrade the package mlflow"),
    (("database is locked",), "another process writes to it; wait for that one or stop it, then sync again"),
    (
        ("connection refused", "max retries exceeded", "newconnectionerror", "timed out", "failed to resolve"),
        "the server does not answer; start it or correct --tracking-uri, then sync again",
    ),
    (("readonly database", "permission denied"), "it cannot be written; check owner and mode of file and folder"),
    (("unable to open database file",), "the folder of the database cannot be entered"),
    (("not a database", "malformed"), "the file is damaged or no database; move it away and sync again to rebuild it"),
    (("disk is full", "no space left"), "the disk is full; free space, then sync again"),
    (
        ("deleted state", "is deleted"),
        "the experiment was deleted; run `mlflow experiments restore` or use another --study name",
    ),
    (("filesystem tracking backend", "file store"), "MLflow refuses plain folders; use a URI such as sqlite:///.automl/mlflow.db"),
    (("unauthorized", "forbidden"), "the server refuses these credentials; set MLFLOW_TRACKING_TOKEN"),
)


class TrackingProblem(AutoMLError):
    """The tracking store could not be read or written; the study's history is untouched.

    Attributes:
        uri: of the tracking store.
        detail: the first line of what MLflow said.
        remedy: what to do.
    """

    def __init__(self, uri: str, detail: str, remedy: str) -> None:
        self.uri, self.detail, self.remedy = uri, detail, remedy
        super().__init__(f"MLflow at {uri}: {remedy}. It said: {detail}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStatus:
    """How far MLflow follows a study.

    Attributes:
        sent: closed trials that MLflow has.
        closed: closed trials in the history.
        problem: the last problem in words, None where there was none since.
    """

    sent: int
    closed: int
    problem: str | None = None

    @property
    def complete(self) -> bool:
        """Whether everything was sent, the study's tables included."""
        return self.problem is None and self.sent == self.closed


def explain(error: BaseException, *, uri: str) -> TrackingProblem:
    """Returns the error as a problem with a remedy; unknown ones keep MLflow's own words."""
    if isinstance(error, TrackingProblem):
        return error
    text = str(error).strip() or type(error).__name__
    chain = " ".join(str(part) for part in (error, error.__cause__, error.__context__) if part is not None).lower()
    remedy = next(
        (remedy.format(uri=uri) for signs, remedy in _REMEDIES if any(sign in chain for sign in signs)),
        "it could not be read or written; the study is safe, `automl sync` sends again",
    )
    return TrackingProblem(uri, f"{type(error).__name__}: {text.splitlines()[0][:MAX_DETAIL]}", remedy)

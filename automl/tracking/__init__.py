"""What people see of a study while it runs and afterwards: MLflow runs, pictures, the progress line.

Why: the history is the truth, but nobody reads a database; these views can all be rebuilt from it.
The rule: a view may fail or lag behind, the search may not. Importing this package loads no foreign library: import
the file that is needed (`mlflow_runs` loads MLflow in 2 s; `live_sync` is handed a callable that does so).
"""

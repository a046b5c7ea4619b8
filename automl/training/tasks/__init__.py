"""Tasks: data, baseline recipe and metrics. `ClassificationTask` is the base of a user's own."""

"""One sender at a time in a process.

Why: a live thread that MLflow holds up may still be at work when the same study is synced by hand, and two folds that
list the store at the same moment would both create what is missing. The rule: held from listing to the last write.
"""

import threading

SENDING = threading.Lock()
"""Held by whoever sends a study to MLflow."""

"""Where rung jobs run: in this process (tests, debugging) or in supervised worker processes.

The rule: an executor knows nothing of trials; whatever a candidate does, its job is answered exactly once.
"""

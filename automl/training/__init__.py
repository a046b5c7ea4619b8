"""The only torch training code: tasks, models, update rules, schedules, the training loop and the runner of rung jobs.

Why: training knows nothing of filters, tracking or storage, so the same job runs anywhere and can be replayed.
The rule: every random choice is addressed by (seed, step); an interrupted run equals an uninterrupted one bit for bit.
"""

"""Learning-rate schedules as functions of t/T: published families, free curves, and rules that react to the training.

Read `curve` first (what a family is), then `decay` (the simplest ones) and `space` (what is proposed).
"""

from search_spaces.lr_schedule.space import LrScheduleSpace

__all__ = ["LrScheduleSpace"]

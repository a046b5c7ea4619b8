"""Pure array functions with oracles: ranking, intervals, rank correlation.

Why a floor of its own: a formula that decides which candidate wins is tested against hand numbers and published values,
away from everything that trains or stores. The rule: arrays and numbers in, arrays and numbers out, no state.
"""

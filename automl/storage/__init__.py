"""The durable log of a study on Optuna's RDB storage, and the lock of its single driver.

The rule: the history is the only truth; what is not in it did not happen.
"""

"""Rules that may reject: screens before training, monitors between rungs.

Why: most candidates must be dropped early, and every drop must be justified. The rule: a filter is pure; it names what
it measured and the threshold, judges no clock, and may be audited (`--audit`).
"""

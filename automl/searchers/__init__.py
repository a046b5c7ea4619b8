"""Searchers: each proposes genotypes from the history of trials, as a fold over closed trials.

Why a floor apart: a searcher knows genotypes and values only, never training, storage or filters. The rule: state in,
state out, and no randomness but the generator of the trial asked for; so a resumed study equals an uninterrupted one.
"""

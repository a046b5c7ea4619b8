"""Search spaces that come with the service, one folder each.

Why outside `automl`: the engine finds spaces by entry point and knows none of them; a space of your own looks the same.
The rule: a space imports `automl`, `automl.contracts`, `automl.authoring`, numpy and torch, and nothing else.
"""

"""The algorithms of the service, in contract words only.

Why: handed concrete parts by `automl.assemble`, they can be read, and tested with toy parts, without torch or a
database.
"""

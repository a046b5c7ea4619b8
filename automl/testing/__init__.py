"""What a plug-in author tests with: conformance suites, a toy space, and an executor with its own clock.

Why shipped: an implementation of a contract is accepted when it passes the contract's suite, here or elsewhere.
The rule: nothing here imports torch; pytest and hypothesis are imported by the suites only.
"""

"""What a finished search hands over: ONNX model, PyTorch source, weights, and the proof that they agree.

Why: a candidate that cannot leave the search is worth nothing, and an export that nobody compared is a guess.
The rule: a bundle is whole or absent, and no model is registered unless its parity report holds. Importing this package
loads nothing; import the file that is needed (torch's exporter and ONNX Runtime take seconds).
"""

"""Small image classifiers whose norm_act layers are slots: the anchors on which candidate layers are trained."""

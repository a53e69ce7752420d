"""The frozen two-tower model: what it is, how one is trained here, exact ranking and its metrics.

May import the catalogue room's types; hands out `Recommender` (vectors with ids, biases, a scorer) and
ranked lists. Serving needs numpy alone; torch is imported by training.
"""

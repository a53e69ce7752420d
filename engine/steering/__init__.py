"""Edits of neurons, and what they do to ranked lists.

May import the recommender, SAE and fidelity rooms; hands out `Edit`, edited vectors, and before/after lists.
"""

"""The paper again: what it prints, what we measure in its place, and the figures that put both side by side.

Comes after the run and the session, before reports: may import the catalogue, the recommenders, the SAE, the neurons
and fidelity. Drawing knows nothing of runs: it takes plain data and hands out pictures with their text and table.
"""

"""The library: data sets, recommenders, sparse autoencoders, neurons, edits. No terminal in it.

Importing this package is free: every room is imported where it is used, and the heavy libraries
(torch, duckdb, pandas, openai, scikit-learn) only inside the functions that need them.
"""

__version__ = "0.1.0"

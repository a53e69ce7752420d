"""Data sets: from a recipe over raw files to one DuckDB file, and typed questions to it.

The first room of the engine. A recipe (`datasets/NAME/`: dataset.toml, load.sql, concepts.sql) says where
the raw files come from and what they mean; `fetch` obtains and builds, `Catalogue` answers with arrays that
carry their ids, `predicate` answers SQL that a user typed, in a process of its own. Imports nothing of the
engine but home, errors, text and progress.
"""

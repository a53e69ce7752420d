"""What the tests of a label are called wherever they are shown. Pure."""

TEST_WORDS = {
    "detection": "detection",
    "intruder": "intruder",
    "held-out": "held-out purity",
    "moves": "moves",
}
"""By the kind of a score, in the order in which they are shown."""

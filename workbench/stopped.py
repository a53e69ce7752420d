"""Ctrl-C in a command that can say what it has kept."""

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


class Stopped(SystemExit):
    """The program ends as after any Ctrl-C, with a sentence of its own."""

    def __init__(self, sentence: str) -> None:
        super().__init__(INTERRUPTED)
        self.sentence = sentence

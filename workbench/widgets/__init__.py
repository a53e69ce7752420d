"""What is drawn: `line` and the panes' text are pure, `pane` and what builds on it are Textual widgets.

A pane is told what to show and posts what happened to it; it never changes the session and asks the engine nothing.
"""

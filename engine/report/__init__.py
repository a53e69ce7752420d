"""How results leave: reports of a run as Markdown or JSON.

Comes last: may import every other room. Reports hold no user ids and no histories.
"""

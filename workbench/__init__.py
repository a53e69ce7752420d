"""The terminal: the command line (`cli`) and the Textual app (`app`). Nothing here computes.

It may import engine's light rooms (home, errors, text, session, protocol); everything heavy runs in the engine's
process and answers over `engine_client`. `keymap` says which keys there are, `model` what the screens know,
`screens` who acts on a key, and `widgets` how things look.
"""

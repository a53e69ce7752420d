"""Names for neurons: the evidence that a labeller is shown, and labellers from metadata and from a language model.

May import the session's `Label`, the recommender, the neurons' figures and the run; hands out `Label`s. Labels are
proposals: the session decides which one stands.
"""

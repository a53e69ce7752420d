"""What each neuron stands for: its activations by id, and the neuron table with its nulls.

May import the catalogue's types, the recommender and the SAE rooms; hands out `NeuronTable`.
"""

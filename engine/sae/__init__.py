"""The sparse autoencoder: its serving form (numpy), its losses and its training (torch).

May import the recommender room; hands out `SparseAutoencoder`, which encodes vectors of either side into
neurons and decodes them back.
"""

"""What a network is made of, what it costs, and what its parts do: the papers' analyses.

A file for each analysis; ``record`` runs a network and gives what its parts recorded, ``clusters``
measures how points of several kinds lie, ``figure`` draws in one style, ``output`` writes.
"""

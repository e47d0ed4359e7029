"""The verbs: what happens in which order. They never import an edge; they are handed functions."""

"""The edges: one module for each outside thing. They never import one another, nor the flow."""

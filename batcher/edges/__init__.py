"""The edges: one module for each external thing. They never import one another, nor the flow."""

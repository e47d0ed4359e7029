"""The edges: one module for each external system. They never import one another, nor the flow."""

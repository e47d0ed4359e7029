"""The use cases: each opens edges, joins them to a flow, and closes them in order. No command line."""

"""The service's local twin: the workflow API on loopback, with faults on request and a ledger of what truly started."""

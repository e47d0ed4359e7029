"""A local emulator of the service: the workflow API on loopback, with optional faults and a ledger of real starts."""

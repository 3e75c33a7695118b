"""A small stand-in for Modal's service on this machine, for the unmodified client. Loopback only; no sandbox."""

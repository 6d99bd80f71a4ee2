"""Fetching attestation evidence and the certificates it is checked by; what is accepted is decided in the domain."""

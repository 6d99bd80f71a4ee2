"""Proof of the decoys: every exchange's requests, once with the secret and once with a decoy, compared bit for bit."""

"""What the vault did, as the signer itself tells it; what was unusual about it; and what two people may do together."""

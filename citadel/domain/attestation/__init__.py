"""AMD SEV-SNP attestation: what a report says, who signed it, and whether a worker that shows it is given anything."""

"""Keys, signatures, verdicts: key, sign, verify, tree."""

"""The contract, generated from proto/."""

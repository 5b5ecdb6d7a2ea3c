"""``af``: the command line of AgentField. It knows the contract and the SDK's connection."""

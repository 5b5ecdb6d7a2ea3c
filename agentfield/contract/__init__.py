"""What the contract says beyond its messages: facts, JSON and errors, read from the descriptors.

Servers, gateway, SDK and CLI share this room; it imports nothing of ours but ``agentfield.v1``.
"""

"""What every program of ours needs: flags, addresses, logs, signals. Imports nothing else of ours."""

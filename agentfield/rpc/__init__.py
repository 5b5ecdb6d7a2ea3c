"""gRPC and nothing else: servicers that convert, call and convert; interceptors; the server."""

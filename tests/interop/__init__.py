"""Other people's artifacts and clients."""

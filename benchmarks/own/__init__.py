"""Examples, weights and models of the user's own: imported, loaded, and their answers."""

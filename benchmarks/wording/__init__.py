"""Results in words and tables; quantities, as people write and read them."""

import os

# The tests may run under pytest-xdist, and on GitHub; what they start does not.
ENVIRONMENT = {k: v for k, v in os.environ.items() if "XDIST" not in k and "GITHUB" not in k}

"""What is measured, whether its labels are right, and how fast the machine could be."""

"""The tests: one folder for each folder of the package, and the real and misbehaving servers they run against."""

"""How the models that tuneoff ships were trained. Not part of the package."""

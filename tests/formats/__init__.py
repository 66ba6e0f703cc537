"""Headers of model files: golden bytes, independent readers, real models, hostile input."""

"""A registry full of models, each with one defect, and good ones between them."""

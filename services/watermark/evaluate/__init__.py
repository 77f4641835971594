"""How good a detector is, by marks that it was not trained on. Needs matplotlib and scikit-learn, no torch."""

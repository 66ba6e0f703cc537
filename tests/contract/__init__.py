"""What the project promises about itself: its architecture, its public names, its package."""

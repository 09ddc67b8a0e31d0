"""The engine of finetui: data, models, training, runs. Knows nothing of the terminal app."""

"""BiasLens: which biases of a PyTorch model cannot change what it computes, and why."""

__version__ = "0.1.0"

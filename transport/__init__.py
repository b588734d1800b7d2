"""Mode shift, fleet electrification and carbon targets of a province's transport."""

__version__ = "0.1.0"

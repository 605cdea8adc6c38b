"""Peak memory: arithmetic with every term named, a learned correction, and whether a configuration fits."""

from perfseer.predictors.memory.forecast import FitForecast, will_it_fit
from perfseer.predictors.memory.setup import MemorySetup
from perfseer.predictors.memory.terms import MemoryTerms, least_bytes, memory_terms

__all__ = ["FitForecast", "MemorySetup", "MemoryTerms", "least_bytes", "memory_terms", "will_it_fit"]

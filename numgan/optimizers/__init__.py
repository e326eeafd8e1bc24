"""Optimisers: the rules of update, and schedules for their constants."""

from .rules import Adam, Historical, Optimizer, RMSProp, SGD, moving_average

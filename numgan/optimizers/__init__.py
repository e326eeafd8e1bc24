"""Optimisers: rules that update parameters, and schedules for the constants of the rules."""

from .rules import Adam, Historical, Optimizer, RMSProp, SGD, moving_average

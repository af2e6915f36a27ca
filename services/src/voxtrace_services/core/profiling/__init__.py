"""Profiles on demand: which functions this process's work spends its time in (docs/adr/009)."""

from voxtrace_services.core.profiling.action import PROFILE, ProfileAction
from voxtrace_services.core.profiling.admission import Policy, Turn, refusal
from voxtrace_services.core.profiling.profile import Profile
from voxtrace_services.core.profiling.sampler import LONGEST_SECONDS, Sampler

__all__ = ["LONGEST_SECONDS", "PROFILE", "Policy", "Profile", "ProfileAction", "Sampler", "Turn", "refusal"]

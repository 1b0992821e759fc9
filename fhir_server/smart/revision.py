"""The mark that changes whenever some access ends, as `access.revision` has it."""

from fhir_server.access.revision import LOOK, Revision, changed

__all__ = ["LOOK", "Revision", "changed"]

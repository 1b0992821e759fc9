"""Changes to part of a resource: JSON Patch (RFC 6902) and FHIRPath Patch."""

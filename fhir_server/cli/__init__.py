"""The command line `fhir-server`: one file a command."""

"""What a store promises, on any engine: a file for each part of `fhir_server/store/protocol.py`."""

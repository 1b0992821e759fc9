"""What any storage engine must do: the contract of `fhir_server/store/protocol.py`, and what is SQLite's own."""

"""FHIRPath: from the text of an expression to a closure over a resource's JSON. Start at `expression.compile`.

http://hl7.org/fhirpath/N1, https://hl7.org/fhir/R4/fhirpath.html. May import `fhir_server.fhir` only.
A new function goes in the `functions_*` file of its chapter; `shapes` knows the types, `nodes` walks the values.
"""

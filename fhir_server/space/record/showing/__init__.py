"""Documents as people read them: CDA and FHIR documents as markup that is safe by construction."""

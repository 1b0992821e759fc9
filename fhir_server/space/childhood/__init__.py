"""The health notebook of a child: examinations, certificates, growth, vaccinations, from what the record has."""

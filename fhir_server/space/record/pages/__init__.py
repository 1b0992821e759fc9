"""The record's pages: a patient's own, and a professional's. They ask what software with the same grant would ask."""

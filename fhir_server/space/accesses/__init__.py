"""Who opened a patient's record: told to the patient on a page, and at once when it was opened in an emergency."""

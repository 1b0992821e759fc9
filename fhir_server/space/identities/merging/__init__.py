"""Two records of one person made one, and two again. R4 Patient.link; R5 Patient/$merge."""

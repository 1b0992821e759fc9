"""HL7's published cases for validators, judged by ours."""

"""IHE_XDM.ZIP, read without trusting it and written: IHE ITI TF-2 3.32, ebRIM 3.0, the French guide for mail."""

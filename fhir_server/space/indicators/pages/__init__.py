"""The pages of indicators: what everybody may see, and what the operator's staff sees beside."""

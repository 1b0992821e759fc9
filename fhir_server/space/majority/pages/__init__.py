"""The page of the hand-over: what becomes of what others decided for somebody who has come of age."""

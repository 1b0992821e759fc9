"""What a request may cost, and where long work is done: a budget counted in steps, and a process beside each worker.

Imports nothing of the house. What can become long spends here; who asks for it decides what happens when it is spent.
"""

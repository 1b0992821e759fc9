"""Search parameters added at run time: declared, known to every worker, and indexed in what was stored before."""

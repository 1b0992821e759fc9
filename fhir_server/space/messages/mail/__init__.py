"""The mail gateway: secure messages as mail (MSSanté), one way and the other. A client of the rules, beside the server.

`parsing`, `reports`, `naming` and `xdm/` read and write what travels and know nothing of the server; `incoming` and
`outgoing` turn it into FHIR and back; `doors` listens. RFC 5321, RFC 5322, RFC 2045, RFC 8098, RFC 3464, IHE XDM.
"""

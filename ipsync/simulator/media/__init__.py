"""Files for documents that were never photographed: small, real, and made when somebody asks.

A file is a template shared by many documents with the document's own token put in, so that neither a file nor its
digest is ever stored: listings of a hundred documents carry a hundred digests, at about ten microseconds each.
"""

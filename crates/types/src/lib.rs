//! Vocabulary without I/O: ids, MACs, network types, errors, request context, list queries.

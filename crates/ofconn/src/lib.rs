//! OpenFlow controller end: handshake, bundles, barriers, multipart, reconnect.

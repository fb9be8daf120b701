//! OVSDB (RFC 7047) client: monitor_cond replica, transactions, reconnect.

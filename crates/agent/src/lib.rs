//! What every agent shares: heartbeat, server API, notifications, reconciler loop.

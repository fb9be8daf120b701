//! Agents that have to be told to read everything again. Pure.

use std::collections::HashMap;

/// Which agents know that notifications were lost. Each is told in the answer to its next report,
/// as if it had been taken for dead: that is what agents of all kinds understand.
#[derive(Debug, Default)]
pub struct Resync {
    losses: u64,
    /// Agent (type and host) to the losses it knows of.
    told: HashMap<(String, String), u64>,
}

impl Resync {
    /// Notifications to any agent may be lost.
    pub fn lost(&mut self) {
        self.losses += 1;
    }

    /// Whether the agent that reports now is to be told; it counts as told.
    pub fn is_due(&mut self, agent_type: &str, host: &str) -> bool {
        if self.losses == 0 {
            return false;
        }
        let agent = (agent_type.to_string(), host.to_string());
        self.told.insert(agent, self.losses) != Some(self.losses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_is_told_once_per_loss() {
        let mut resync = Resync::default();
        assert!(!resync.is_due("L3 agent", "h"));
        resync.lost();
        assert!(resync.is_due("L3 agent", "h"));
        assert!(!resync.is_due("L3 agent", "h"));
        assert!(resync.is_due("DHCP agent", "h"));
        resync.lost();
        assert!(resync.is_due("L3 agent", "h"));
    }
}

//! Every OpenFlow table number and priority the agent uses, under Neutron's names.
//!
//! Owns the numbers only; which flow goes where is the business of the per-bridge modules.
//! Table numbers are a contract with operators' runbooks and never change.

/// Tables of the integration bridge.
pub mod int {
    /// Entry table.
    pub const LOCAL_SWITCHING: u8 = 0;
    /// DVR source MAC rewriting, tunnel networks.
    pub const DVR_TO_SRC_MAC: u8 = 1;
    /// DVR source MAC rewriting, physical networks.
    pub const DVR_TO_SRC_MAC_PHYSICAL: u8 = 2;
    /// DVR, frames sent to this host's own routers, tunnel networks.
    pub const ARP_DVR_MAC_TO_DST_MAC: u8 = 3;
    /// DVR, frames sent to this host's own routers, physical networks.
    pub const ARP_DVR_MAC_TO_DST_MAC_PHYSICAL: u8 = 4;
    /// One drop flow whose absence says that Open vSwitch lost its flows.
    pub const CANARY_TABLE: u8 = 23;
    /// ARP and neighbour-advertisement anti-spoofing.
    pub const ARP_SPOOF_TABLE: u8 = 24;
    /// MAC anti-spoofing.
    pub const MAC_SPOOF_TABLE: u8 = 25;
    /// Entry of the local-IP extension.
    pub const LOCAL_EGRESS_TABLE: u8 = 30;
    /// NAT and ARP of the local-IP extension.
    pub const LOCAL_IP_TABLE: u8 = 31;
    /// QoS packet meters.
    pub const PACKET_RATE_LIMIT: u8 = 58;
    /// QoS bandwidth meters.
    pub const BANDWIDTH_RATE_LIMIT: u8 = 59;
    /// Entry of the firewall, or NORMAL.
    pub const TRANSIENT_TABLE: u8 = 60;
    /// Direct local delivery.
    pub const LOCAL_MAC_DIRECT: u8 = 61;
    /// Direct remote delivery.
    pub const TRANSIENT_EGRESS_TABLE: u8 = 62;
    /// Firewall: what an instance may send whatever its rules, and what it never may.
    pub const BASE_EGRESS_TABLE: u8 = 71;
    /// Firewall: egress rules.
    pub const RULES_EGRESS_TABLE: u8 = 72;
    /// Firewall: accepted egress, to an instance here or elsewhere.
    pub const ACCEPT_OR_INGRESS_TABLE: u8 = 73;
    /// Answers of the agent's DHCP extension, IPv4.
    pub const DHCP_IPV4_TABLE: u8 = 77;
    /// Answers of the agent's DHCP extension, IPv6.
    pub const DHCP_IPV6_TABLE: u8 = 78;
    /// Firewall: what an instance is sent whatever its rules.
    pub const BASE_INGRESS_TABLE: u8 = 81;
    /// Firewall: ingress rules.
    pub const RULES_INGRESS_TABLE: u8 = 82;
    /// Hook for accepted new egress connections.
    pub const ACCEPTED_EGRESS_TRAFFIC_TABLE: u8 = 91;
    /// Hook for accepted new ingress connections.
    pub const ACCEPTED_INGRESS_TRAFFIC_TABLE: u8 = 92;
    /// Hook for what the firewall drops.
    pub const DROPPED_TRAFFIC_TABLE: u8 = 93;
    /// Accepted egress leaves the firewall.
    pub const ACCEPTED_EGRESS_TRAFFIC_NORMAL_TABLE: u8 = 94;

    /// Tables the stale-flow cleanup walks, in Neutron's order, with the two it leaves out (3, 4).
    pub const ALL: &[u8] = &[
        LOCAL_SWITCHING,
        DVR_TO_SRC_MAC,
        DVR_TO_SRC_MAC_PHYSICAL,
        ARP_DVR_MAC_TO_DST_MAC,
        ARP_DVR_MAC_TO_DST_MAC_PHYSICAL,
        CANARY_TABLE,
        ARP_SPOOF_TABLE,
        MAC_SPOOF_TABLE,
        LOCAL_MAC_DIRECT,
        LOCAL_EGRESS_TABLE,
        LOCAL_IP_TABLE,
        PACKET_RATE_LIMIT,
        BANDWIDTH_RATE_LIMIT,
        TRANSIENT_TABLE,
        TRANSIENT_EGRESS_TABLE,
        BASE_EGRESS_TABLE,
        RULES_EGRESS_TABLE,
        ACCEPT_OR_INGRESS_TABLE,
        DHCP_IPV4_TABLE,
        DHCP_IPV6_TABLE,
        BASE_INGRESS_TABLE,
        RULES_INGRESS_TABLE,
        ACCEPTED_EGRESS_TRAFFIC_TABLE,
        ACCEPTED_INGRESS_TRAFFIC_TABLE,
        DROPPED_TRAFFIC_TABLE,
    ];

    /// Tables of the openvswitch firewall. The last one is not in [`ALL`]: only the driver that
    /// fills it cleans it.
    pub const FIREWALL: &[u8] = &[
        BASE_EGRESS_TABLE,
        RULES_EGRESS_TABLE,
        ACCEPT_OR_INGRESS_TABLE,
        BASE_INGRESS_TABLE,
        RULES_INGRESS_TABLE,
        ACCEPTED_EGRESS_TRAFFIC_TABLE,
        ACCEPTED_INGRESS_TRAFFIC_TABLE,
        DROPPED_TRAFFIC_TABLE,
        ACCEPTED_EGRESS_TRAFFIC_NORMAL_TABLE,
    ];

    /// Registers of the openvswitch firewall.
    pub mod register {
        /// OpenFlow number of the port a packet is checked for.
        pub const PORT: u8 = 5;
        /// Local VLAN of the packet's network; its low 16 bits are the conntrack zone.
        pub const NET: u8 = 6;
        /// Conjunction id that let the packet pass.
        pub const REMOTE_GROUP: u8 = 7;
    }

    /// Priorities of table 0 and of the anti-spoofing tables.
    pub mod priority {
        /// Drop of the dead VLAN: above everything.
        pub const DEAD_VLAN: u16 = 65535;
        /// DVR: answers to ARP of this host's own routers.
        pub const DVR_ARP_REPLY: u16 = 99;
        /// DVR: frames to this host's own routers into tables 3 and 4.
        pub const DVR_TO_OWN: u16 = 5;
        /// DVR: frames of other hosts' routers into table 2.
        pub const DVR_FROM_PHYSICAL: u16 = 4;
        /// DVR: frames of other hosts' routers into table 1.
        pub const DVR_FROM_TUNNEL: u16 = 2;
        /// DVR: frames of other hosts' routers to a port here (tables 1, 2 and 60).
        pub const DVR_TO_PORT: u16 = 20;
        /// DVR: everything else in tables 1 and 2.
        pub const DVR_DROP: u16 = 1;
        /// DVR: delivery in tables 3 and 4.
        pub const DVR_DELIVER: u16 = 5;
        /// ARP and NA of a protected port into the anti-spoofing table.
        pub const SPOOF_ARP: u16 = 10;
        /// Everything else of a protected port into the MAC table.
        pub const SPOOF_MAC: u16 = 9;
        /// Translation of a physical network's VLAN to the local VLAN.
        pub const LOCAL_VLAN: u16 = 3;
        /// Drop of a dead port, or of untranslated frames from a physical bridge.
        pub const DROP_PORT: u16 = 2;
        /// Addresses a protected port may use (tables 24 and 25).
        pub const SPOOF_ALLOW: u16 = 2;
        /// NORMAL in [`super::TRANSIENT_TABLE`].
        pub const TRANSIENT: u16 = 1;
        /// NORMAL in [`super::TRANSIENT_EGRESS_TABLE`].
        pub const TRANSIENT_EGRESS: u16 = 3;
        /// Table misses.
        pub const DEFAULT: u16 = 0;

        /// Table 60: frames of an instance into the firewall.
        pub const FROM_PORT: u16 = 100;
        /// Table 60: frames to an instance into the firewall.
        pub const TO_PORT: u16 = 90;
        /// Table 60: with `explicitly_egress_direct`, everything else.
        pub const TRANSIENT_DIRECT: u16 = 2;
        /// Table 71: forget the tracking of another instance's egress.
        pub const UNTRACK: u16 = 110;
        /// Table 71: address resolution with own addresses, permitted EtherTypes.
        pub const BASE_ALLOW: u16 = 95;
        /// Table 71: DHCP client.
        pub const DHCP_CLIENT: u16 = 80;
        /// Table 71: DHCP server and router advertisements.
        pub const SERVER_DROP: u16 = 70;
        /// Table 71: own addresses into the connection tracker.
        pub const TRACK_OWN: u16 = 65;
        /// Table 71: everything else.
        pub const BASE_DROP: u16 = 10;
        /// Tables 72 and 82: a rule of offset 0.
        pub const RULE: u16 = 70;
        /// Tables 72 and 82: what the tracker says of known and invalid connections.
        pub const TRACKED: u16 = 50;
        /// Tables 72 and 82: what no rule allows.
        pub const UNRULED: u16 = 40;
        /// Table 73: to an instance here.
        pub const LOCAL_INGRESS: u16 = 100;
        /// Table 73: remember the new connection.
        pub const COMMIT: u16 = 90;
        /// Table 73: everything else of a port.
        pub const LEAVE: u16 = 80;
        /// Table 81: address resolution, permitted EtherTypes.
        pub const INGRESS_ALLOW: u16 = 100;
        /// Table 81: DHCP answers.
        pub const DHCP_ANSWER: u16 = 95;
        /// Table 81: untracked IP into the connection tracker.
        pub const TRACK: u16 = 90;
        /// Table 81: tracked already, by the sender's egress.
        pub const INGRESS_RULES: u16 = 80;
        /// Tables 91 and 94: everything.
        pub const ACCEPTED: u16 = 1;
        /// Table 94: straight to an instance here.
        pub const DIRECT_LOCAL: u16 = 12;
        /// Table 94: straight to the patch port of the network.
        pub const DIRECT_REMOTE: u16 = 10;
    }
}

/// Tables of the tunnel bridge.
pub mod tun {
    use neutrino_types::NetworkType;

    /// Entry table: sorts by where a frame came from.
    pub const LOCAL_SWITCHING: u8 = 0;
    /// DVR, frames from br-int.
    pub const DVR_PROCESS: u8 = 1;
    /// Frames from br-int: unicast or flood.
    pub const PATCH_LV_TO_TUN: u8 = 2;
    /// GRE key to local VLAN.
    pub const GRE_TUN_TO_LV: u8 = 3;
    /// VXLAN VNI to local VLAN.
    pub const VXLAN_TUN_TO_LV: u8 = 4;
    /// Geneve VNI to local VLAN.
    pub const GENEVE_TUN_TO_LV: u8 = 6;
    /// DVR: MACs not to learn.
    pub const DVR_NOT_LEARN: u8 = 9;
    /// Learns the remote MAC into [`UCAST_TO_TUN`].
    pub const LEARN_FROM_TUN: u8 = 10;
    /// Known remote MACs, learned or from l2population.
    pub const UCAST_TO_TUN: u8 = 20;
    /// Local answers to ARP for remote addresses.
    pub const ARP_RESPONDER: u8 = 21;
    /// Floods to every host of the network.
    pub const FLOOD_TO_TUN: u8 = 22;

    /// Tables the stale-flow cleanup walks.
    pub const ALL: &[u8] = &[
        LOCAL_SWITCHING,
        DVR_PROCESS,
        PATCH_LV_TO_TUN,
        GRE_TUN_TO_LV,
        VXLAN_TUN_TO_LV,
        GENEVE_TUN_TO_LV,
        DVR_NOT_LEARN,
        LEARN_FROM_TUN,
        UCAST_TO_TUN,
        ARP_RESPONDER,
        FLOOD_TO_TUN,
    ];

    /// The tunnel types of Neutron's OVS agent, with the table each decapsulates into.
    pub const TUN_TABLES: [(NetworkType, u8); 3] = [
        (NetworkType::Gre, GRE_TUN_TO_LV),
        (NetworkType::Vxlan, VXLAN_TUN_TO_LV),
        (NetworkType::Geneve, GENEVE_TUN_TO_LV),
    ];

    /// The `*_TUN_TO_LV` table of a network type; `None` when the type is not tunnelled.
    #[must_use]
    pub fn tun_to_lv(network_type: NetworkType) -> Option<u8> {
        TUN_TABLES.iter().find(|(t, _)| *t == network_type).map(|(_, table)| *table)
    }

    /// Priorities.
    pub mod priority {
        /// Table misses, and the unicast/multicast split of table 2.
        pub const DEFAULT: u16 = 0;
        /// Every specific flow that no other may overlap.
        pub const MATCH: u16 = 1;
        /// Learned remote MACs (table 20).
        pub const LEARNED: u16 = 1;
        /// Remote MACs from l2population (table 20): above learned ones.
        pub const FDB: u16 = 2;
        /// ARP and ND announcements that must be learned at once (table 10).
        pub const LEARN_ANNOUNCE: u16 = 2;
    }

    /// Seconds after which a learned remote MAC is forgotten.
    pub const LEARNED_HARD_TIMEOUT_SECS: u16 = 300;
}

/// What the tables of DVR have in common on the tunnel bridge and the physical ones.
pub mod dvr {
    /// Where announcements of gateways end. It floods on the tunnel bridge; nothing leads there on
    /// a physical one, whose row is Neutron's all the same.
    pub const FLOOD_TO_TUN: u8 = super::tun::FLOOD_TO_TUN;

    /// Priorities.
    pub mod priority {
        /// Drop of announcements of a distributed gateway, which every host has.
        pub const GATEWAY_ANNOUNCE: u16 = 3;
        /// Drop of frames to a distributed router, which every host has.
        pub const TO_ROUTER: u16 = 2;
        /// Frames of a distributed router leave under the host's MAC.
        pub const FROM_ROUTER: u16 = 1;
    }
}

/// Tables of the physical bridges.
pub mod phys {
    /// Entry table.
    pub const LOCAL_SWITCHING: u8 = 0;
    /// DVR, frames from br-int.
    pub const DVR_PROCESS: u8 = 1;
    /// DVR: local VLAN to the segment's.
    pub const LOCAL_VLAN_TRANSLATION: u8 = 2;
    /// DVR: MACs not to learn.
    pub const DVR_NOT_LEARN: u8 = 3;

    /// Tables the stale-flow cleanup walks: Neutron's, with the one of DVR it leaves out (22).
    pub const ALL: &[u8] = &[
        LOCAL_SWITCHING,
        DVR_PROCESS,
        LOCAL_VLAN_TRANSLATION,
        DVR_NOT_LEARN,
        super::dvr::FLOOD_TO_TUN,
        80,
        87,
        90,
        91,
    ];

    /// Priorities.
    pub mod priority {
        /// Local VLAN to the segment's.
        pub const LOCAL_VLAN: u16 = 4;
        /// Drop of untranslated frames from br-int.
        pub const DROP_PORT: u16 = 2;
        /// DVR: frames from br-int.
        pub const FROM_INT: u16 = 2;
        /// DVR: frames of other hosts' routers.
        pub const FROM_ROUTER: u16 = 2;
        /// DVR: everything else from outside.
        pub const FROM_OUTSIDE: u16 = 1;
        /// NORMAL, and table misses.
        pub const DEFAULT: u16 = 0;
    }
}

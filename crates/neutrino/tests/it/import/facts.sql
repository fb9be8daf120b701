-- What agents report and servers write while agents run: agents, tunnel endpoints, MACs of distributed routing.
INSERT INTO agents (id, agent_type, `binary`, topic, host, admin_state_up, created_at, started_at, heartbeat_timestamp,
                    description, configurations, `load`, availability_zone, resource_versions, resources_synced) VALUES
('a0000000-0000-4000-8000-000000000001', 'Open vSwitch agent', 'neutron-openvswitch-agent', 'N/A', 'compute1', 1,
 UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), NULL,
 '{"bridge_mappings": {"physnet1": "br-p1", "physnet2": "br-ex"}, "tunnel_types": ["vxlan", "gre", "geneve"], "tunneling_ip": "10.9.0.1", "l2_population": true, "arp_responder_enabled": true, "enable_distributed_routing": true, "datapath_type": "system", "ovs_hybrid_plug": false, "integration_bridge": "br-int", "devices": 3}',
 0, '', '{"Port": "1.11", "Network": "1.2"}', NULL),
('a0000000-0000-4000-8000-000000000002', 'Open vSwitch agent', 'neutron-openvswitch-agent', 'N/A', 'compute2', 1,
 UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), 'second rack',
 '{"bridge_mappings": {"physnet1": "br-p1", "physnet2": "br-ex"}, "tunnel_types": ["vxlan", "gre", "geneve"], "tunneling_ip": "10.9.0.2", "l2_population": true, "datapath_type": "netdev", "ovs_hybrid_plug": true, "integration_bridge": "br-int", "devices": 0}',
 0, NULL, NULL, 1),
('a0000000-0000-4000-8000-000000000003', 'Open vSwitch agent', 'neutron-openvswitch-agent', 'N/A', 'network1', 1,
 UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), NULL,
 '{"bridge_mappings": {"physnet1": "br-p1", "physnet2": "br-ex"}, "tunnel_types": ["vxlan", "gre", "geneve"], "tunneling_ip": "10.9.0.3", "l2_population": true, "enable_distributed_routing": true, "datapath_type": "system", "ovs_hybrid_plug": false, "integration_bridge": "br-int", "devices": 0}',
 0, NULL, NULL, NULL),
('a0000000-0000-4000-8000-000000000004', 'Open vSwitch agent', 'neutron-openvswitch-agent', 'N/A', 'compute9', 0,
 '2020-01-01 00:00:00', '2020-01-01 00:00:00', '2020-01-02 00:00:00', 'switched off long ago', '{}', 0, NULL, NULL, 0),
('a0000000-0000-4000-8000-000000000011', 'DHCP agent', 'neutron-dhcp-agent', 'dhcp_agent', 'network1', 1,
 UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), NULL,
 '{"dhcp_driver": "neutron.agent.linux.dhcp.Dnsmasq", "dhcp_lease_duration": 86400, "networks": 0, "subnets": 0, "ports": 0}',
 0, 'nova', NULL, NULL),
('a0000000-0000-4000-8000-000000000012', 'DHCP agent', 'neutron-dhcp-agent', 'dhcp_agent', 'compute1', 1,
 UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), NULL,
 '{"dhcp_driver": "neutron.agent.linux.dhcp.Dnsmasq", "dhcp_lease_duration": 86400, "networks": 0, "subnets": 0, "ports": 0}',
 0, 'nova', NULL, NULL),
('a0000000-0000-4000-8000-000000000021', 'L3 agent', 'neutron-l3-agent', 'l3_agent', 'network1', 1,
 UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), NULL,
 '{"agent_mode": "dvr_snat", "handle_internal_only_routers": true, "interface_driver": "openvswitch", "routers": 0, "floating_ips": 0}',
 0, 'nova', NULL, NULL),
('a0000000-0000-4000-8000-000000000022', 'L3 agent', 'neutron-l3-agent', 'l3_agent', 'compute1', 1,
 UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), NULL,
 '{"agent_mode": "dvr", "handle_internal_only_routers": true, "interface_driver": "openvswitch", "routers": 0, "floating_ips": 0}',
 0, 'nova', NULL, NULL),
('a0000000-0000-4000-8000-000000000023', 'L3 agent', 'neutron-l3-agent', 'l3_agent', 'network2', 1,
 UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), NULL,
 '{"agent_mode": "legacy", "handle_internal_only_routers": true, "interface_driver": "openvswitch", "routers": 0, "floating_ips": 0}',
 0, 'nova', NULL, NULL),
('a0000000-0000-4000-8000-000000000031', 'Metadata agent', 'neutron-metadata-agent', 'N/A', 'network1', 1,
 UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), NULL, '{"nova_metadata_host": "nova", "nova_metadata_port": 8775}',
 0, NULL, NULL, NULL);
INSERT INTO dvr_host_macs (host, mac_address) VALUES
('compute1', 'fa:16:3f:00:00:01'), ('compute2', 'fa:16:3f:00:00:02'), ('network1', 'fa:16:3f:00:00:03');
INSERT INTO ml2_vxlan_endpoints (ip_address, udp_port, host) VALUES
('10.9.0.1', 4789, 'compute1'), ('10.9.0.2', 4789, 'compute2'), ('10.9.0.3', 4789, 'network1');
INSERT INTO ml2_gre_endpoints (ip_address, host) VALUES ('10.9.0.1', 'compute1'), ('10.9.0.2', 'compute2');
INSERT INTO ml2_geneve_endpoints (ip_address, host) VALUES ('10.9.0.1', 'compute1'), ('10.9.0.3', 'network1');

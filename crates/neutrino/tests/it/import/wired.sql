-- What agents do once they have wired ports.
UPDATE ports SET status = 'ACTIVE' WHERE device_owner = 'compute:nova' AND name LIKE 'bound-%';
DELETE b FROM provisioningblocks b JOIN ports p ON p.standard_attr_id = b.standard_attr_id WHERE p.status = 'ACTIVE';
UPDATE ports SET status = 'BUILD' WHERE name = 'blocked-1';
INSERT INTO ml2_distributed_port_bindings (port_id, host, router_id, vif_type, vif_details, vnic_type, profile, status)
SELECT p.id, h.host, p.device_id, 'ovs', '{"port_filter": true}', 'normal', '', h.status
  FROM ports p JOIN (SELECT 'compute1' AS host, 'ACTIVE' AS status UNION ALL SELECT 'network1', 'DOWN') h
 WHERE p.device_owner = 'network:router_interface_distributed';
UPDATE ports SET status = 'ACTIVE' WHERE device_owner = 'network:router_interface_distributed';
UPDATE floatingips SET status = 'ACTIVE' WHERE fixed_port_id IS NOT NULL;
-- What only Nova may write.
UPDATE ml2_port_bindings b JOIN ports p ON p.id = b.port_id
   SET b.profile = '{"pci_slot": "0000:01:00.1", "physical_network": "physnet1"}' WHERE p.name = 'direct';
-- What only Nova may ask for: a second binding, as while an instance moves.
INSERT INTO ml2_port_bindings (port_id, host, vif_type, vnic_type, profile, vif_details, status)
SELECT id, 'compute2', 'ovs', 'normal', '', '{"port_filter": true}', 'INACTIVE' FROM ports WHERE name = 'bound-0';
